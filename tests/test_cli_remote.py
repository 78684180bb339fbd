"""The commands that talk to an Admin API, run against a real one: what they say and how they exit."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from admin_api import ADMIN_TOKEN, Api
from orders import NODES, published
from typer.testing import CliRunner, Result

from gatefleet.admin.serve import serving
from gatefleet.cli import app
from gatefleet.cli.remote import Exit
from gatefleet.settings import AdminSettings
from gatefleet.store.fleet_keys import snapshot_keys
from tests.admin import test_rings

pytestmark = pytest.mark.anyio
ORDERS: dict[str, Any] = {
    "services": [{"name": "orders", "upstream": {"nodes": NODES}, "routes": [{"name": "all", "paths": ["/*"]}]}],
    "consumers": [{"username": "jack", "credentials": [{"name": "c", "plugins": {"key-auth": {"key": "hush"}}}]}],
}


@dataclass
class Shell:
    """Runs commands against one server; `api` sees the same database."""

    server: str
    secure: str
    api: Api
    folder: Path

    async def __call__(self, *arguments: str, expect: Exit = Exit.DONE, **environment: str) -> Result:
        env = {"GATEFLEET_SERVER": self.server, "GATEFLEET_TOKEN": ADMIN_TOKEN, "COLUMNS": "200", **environment}
        done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=env)
        assert done.exit_code == expect, f"{done.exit_code}: {done.output}{done.stderr}{done.exception!r}"
        return done

    async def json(self, *arguments: str, expect: Exit = Exit.DONE) -> Any:
        return json.loads((await self(*arguments, "-o", "json", expect=expect)).stdout)

    def file(self, name: str, value: Any) -> str:
        path = self.folder / name
        path.write_text(yaml.safe_dump(value))
        return str(path)


@pytest.fixture
async def shell(admin_settings: AdminSettings, api: Api, tmp_path: Path) -> AsyncIterator[Shell]:
    async with serving(admin_settings) as ports:
        yield Shell(f"http://127.0.0.1:{ports.http}", f"https://127.0.0.1:{ports.https}", api, tmp_path)


async def test_keys_of_copies_are_listed_and_exchanged(shell: Shell) -> None:
    async with shell.api.store.transaction() as connection:
        (first,) = await snapshot_keys(connection, shell.api.store.cipher, "default")
    assert first.key_id in (await shell("fleet-keys")).stdout
    rotated = await shell.json("fleet-keys", "--rotate")
    assert [(key["key_id"] == first.key_id, key["signing"]) for key in rotated] == [(True, True), (False, False)]
    (now,) = await shell.json("fleet-keys", "--rotate", "--at-once")
    assert now["key_id"] not in {key["key_id"] for key in rotated}
    assert "--at-once goes with --rotate" in (await shell("fleet-keys", "--at-once", expect=Exit.USAGE)).stderr


async def test_a_file_is_compared_applied_dumped_and_taken_back(shell: Shell) -> None:
    file = shell.file("orders.yaml", ORDERS)
    told = await shell("diff", "-f", file, expect=Exit.DIFFERENCES)
    assert "+ service orders added" in told.stdout
    told = await shell("apply", "-f", file, "--note", "first", "--wait", "5")
    assert "revision 1 of [default]" in told.stdout
    assert "no difference" in (await shell("diff", "-f", file, "--prune")).stdout
    dumped = (await shell("dump")).stdout
    assert "hush" not in dumped
    (shell.folder / "dump.yaml").write_text(dumped)
    assert (await shell.json("diff", "-f", str(shell.folder / "dump.yaml"), "--prune"))["changed"] is False
    assert "hush" in (await shell("dump", "--secrets", "-o", "json")).stdout

    other = shell.file("other.yaml", {"services": [{**ORDERS["services"][0], "hosts": ["a.test"]}]})
    told = await shell("apply", "-f", other)
    assert "~ service orders: hosts set to a.test" in told.stdout
    assert "first" in (await shell("revisions")).stdout
    assert "hosts set to a.test" in (await shell("revisions", "2")).stdout
    told = await shell("compare", "1", expect=Exit.DIFFERENCES)
    assert "differs" in told.stdout
    assert "hosts removed" in (await shell("restore", "1", "--dry-run")).stdout
    assert (await shell.json("restore", "1"))["revision"] == 3
    await shell("compare", "1")
    assert yaml.safe_load((await shell("dump", "--revision", "2")).stdout)["services"][0]["hosts"] == ["a.test"]


async def test_services_are_published_synced_and_rolled_back_by_name(shell: Shell) -> None:
    await shell.api.call("POST", "/api/gateway_groups", {"name": "uat"})
    service_id = await published(shell.api)
    assert "already" not in (await shell("publish", "orders", "--version", "1.0", "--to", "uat", "--dry-run")).stdout
    route = (await shell.api.call("GET", f"/api/routes/template?service_id={service_id}"))["list"][0]
    await shell.api.call("PUT", f"/api/routes/template/{route['id']}", {**route, "paths": ["/new"]})
    done = await shell.json("publish", "orders", "--version", "1.1", "--to", "default", "--wait", "3")
    assert done["revisions"] == {"default": 2}
    await shell("sync", "orders", "--to", "uat", "--host", "uat.test", "--node", "u.test:8080=2")
    told = await shell("versions", "orders")
    assert "default, uat" in " ".join(told.stdout.split())
    assert "paths /orders -> /new" in (await shell("versions", "orders", "--diff", "1.0", "1.1")).stdout
    told = await shell("rollback", "orders", "1.0", "--note", "too early", "--dry-run")
    assert "paths /new -> /orders" in told.stdout
    await shell("rollback", "orders", "1.0", "--note", "too early")
    told = await shell("compare", "uat", expect=Exit.DIFFERENCES)
    assert "1.0" in told.stdout
    assert "1.1" in told.stdout
    assert "too early" in (await shell("revisions")).stdout
    assert "instances live" in (await shell("receipts")).stdout
    assert (await shell.json("receipts", "3"))["total"] == 0


async def test_the_ring_that_runs_is_promoted_and_instances_that_do_not_serve_it_are_named(shell: Shell) -> None:
    service_id = await test_rings.prepared(shell.api)
    await test_rings.ring(shell.api, service_id)
    told = await shell("promote", "--note", "fine", "--wait", "1", expect=Exit.NOT_LIVE)
    assert "promoted" in told.stdout
    assert "revision 3 of gateway group [default]: 0 of 4 instances live; host: " in told.stderr
    assert (await shell("versions", "orders")).stdout.count("default") == 1


async def test_what_is_wrong_is_said_and_has_an_exit_code(shell: Shell) -> None:
    bad = shell.file(
        "bad.yaml", {"services": [{"name": "s", "path_prefix": 1, "routes": [{"name": "r", "paths": []}]}]}
    )
    told = await shell("apply", "-f", bad, expect=Exit.ERROR)
    assert "2 problems, nothing has changed:" in told.stderr
    assert "  /services/0/path_prefix: value must be a string" in told.stderr
    assert "there is no gateway group [nope]" in (await shell("dump", "-g", "nope", expect=Exit.USAGE)).stderr
    assert "GATEFLEET_TOKEN" in (await shell("dump", expect=Exit.USAGE, GATEFLEET_TOKEN="")).stderr
    assert "not valid" in (await shell("dump", expect=Exit.ERROR, GATEFLEET_TOKEN="a7ee-wrong")).stderr
    nobody = "http://127.0.0.1:1"
    assert f"[{nobody}] does not answer" in (await shell("dump", "--server", nobody, expect=Exit.ERROR)).stderr
    told = await shell("dump", "--server", shell.secure, expect=Exit.ERROR)
    assert "give its CA with --ca, or --insecure" in told.stderr
    await shell("dump", "--server", shell.secure, "--insecure")
    await shell("dump", "--server", shell.secure, "--ca", str(shell.folder / "self-signed.crt"))
    assert "there is no file" in (await shell("dump", "--ca", "/none", expect=Exit.USAGE)).stderr
    assert "no ring runs" in (await shell("promote", expect=Exit.USAGE)).stderr
    assert "host:port" in (await shell("sync", "s", "--to", "default", "--node", "x", expect=Exit.USAGE)).stderr
    await shell("diff", expect=Exit.USAGE)


async def test_what_needs_consent_waits_for_it(shell: Shell) -> None:
    rule: dict[str, Any] = {"name": "four eyes", "labels": {}, "operations": ["apply"]}
    await shell.api.call("POST", "/api/approval_rules", rule)
    told = await shell("apply", "-f", shell.file("f.yaml", ORDERS), expect=Exit.APPROVAL)
    assert "rule [four eyes] asks for somebody else's consent" in told.stderr
    told = await shell("diff", "-f", shell.file("f.yaml", ORDERS), expect=Exit.DIFFERENCES)
    assert "warning: rule [four eyes] asks for somebody else's consent to this" in told.stderr


async def test_the_key_of_a_group_needs_no_other_rights(shell: Shell) -> None:
    key = (await shell.api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    await shell("apply", "-f", shell.file("f.yaml", ORDERS), GATEFLEET_TOKEN=key)
    await shell("diff", "-f", shell.file("f.yaml", ORDERS), GATEFLEET_TOKEN=key)
