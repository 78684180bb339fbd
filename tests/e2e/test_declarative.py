"""A file applied from the command line is served by a node; a change and a restore follow, each proven by a receipt."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e import kit

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gatefleet(fleet: kit.Fleet) -> Run:
    """Runs a command against the fleet's Admin API; the exit code must be the expected one."""
    made = fleet.call("POST", "/api/tokens", {"name": "pipeline", "expires_at": 0})
    assert made.status_code == 200, made.text
    token = made.json()["value"]["token"]
    env = {**os.environ, "GATEFLEET_SERVER": fleet.url("admin"), "GATEFLEET_TOKEN": token, "GATEFLEET_GROUP": "cli"}

    def run(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        command = [kit.GATEFLEET, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90, env=env)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


def test_a_file_goes_live_changes_and_comes_back(
    fleet: kit.Fleet, upstream: int, gatefleet: Run, tmp_path: Path
) -> None:
    group = fleet.call("POST", "/api/gateway_groups", {"name": "cli", "description": ""}).json()["value"]["id"]
    token = fleet.call("POST", f"/api/gateway_groups/{group}/instance_token").json()["value"]["token_plain_text"]
    joins = ("--dp-manager", f"https://127.0.0.1:{fleet.port('dpm_tls')}", "--token", token)
    route = {"name": "all", "paths": ["/shop/*"]}
    shop = {"name": "shop", "upstream": {"nodes": {f"127.0.0.1:{upstream}": 1}}, "routes": [route]}
    file = tmp_path / "group.yaml"
    file.write_text(yaml.safe_dump({"services": [shop]}))
    with kit.node(tmp_path / "node", *joins, "--envoy-concurrency", "1") as node:
        kit.eventually(lambda: node.status("/status/ready").status == 200)
        gatefleet("diff", "-f", str(file), expect=3)
        told = gatefleet("apply", "-f", str(file), "--wait", "60", "-o", "json")
        done = json.loads(told.stdout)
        assert (done["receipt"]["live"], done["receipt"]["total"]) == (1, 1)
        assert node.get("/shop/1").json()["path"] == "/shop/1"
        gatefleet("diff", "-f", str(file), "--prune")

        shop["plugins"] = {"proxy-rewrite": {"uri": "/new"}}
        file.write_text(yaml.safe_dump({"services": [shop]}))
        assert "plugin proxy-rewrite" in gatefleet("diff", "-f", str(file), expect=3).stdout
        assert "1 of 1 instances live" in gatefleet("apply", "-f", str(file), "--wait", "60").stdout
        assert node.get("/shop/1").json()["path"] == "/new"

        gatefleet("restore", str(done["revision"]), "--note", "wrong path", "--wait", "60")
        assert node.get("/shop/1").json()["path"] == "/shop/1"
        assert "wrong path" in gatefleet("revisions").stdout

        file.write_text(yaml.safe_dump({"services": []}))
        gatefleet("apply", "-f", str(file), "--prune", "--wait", "60")
        assert node.get("/shop/1").status == 404
        assert "live" in gatefleet("receipts", str(done["revision"] + 3)).stdout
    fleet.call("DELETE", f"/api/gateway_groups/{group}")
