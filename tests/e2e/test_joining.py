"""Every script that the control plane gives for joining is carried out as written, and its node starts."""

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.helm import containers, installed
from tests.e2e import kit
from tests.e2e.kit import GATEFLEET, PORTS, Fleet, eventually

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "gatefleet-node.service"
KINDS = ("process", "systemd", "docker", "compose", "helm")


def script(fleet: Fleet, kind: str) -> str:
    body = {"type": kind, "dp_manager_address": [f"https://127.0.0.1:{fleet.port('dpm_tls')}"]}
    made = fleet.call("POST", "/api/gateway_groups/default/instance_scripts", body)
    assert made.status_code == 200, made.text
    return made.json()["value"]["script"]


def as_process(text: str, _: Path) -> tuple[list[str], dict[str, str]]:
    """The very script, by a shell."""
    return ["bash", "-euc", text.replace("gatefleet node", f"exec {GATEFLEET} node")], {}


def by_systemd(text: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The script with a systemctl that only notes what it is asked; then what the unit would start, with its file."""
    (folder / "bin").mkdir()
    systemctl = folder / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\n')
    systemctl.chmod(0o755)
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "ROOT": str(folder)}
    subprocess.run(["bash", "-euc", text], env=environment, check=True, timeout=60)
    assert (folder / "asked").read_text() == "enable --now gatefleet-node\n"
    settings = folder / "etc" / "gatefleet" / "node.env"
    assert settings.stat().st_mode & 0o77 == 0
    unit = UNIT.read_text()
    assert "EnvironmentFile=/etc/gatefleet/node.env" in unit
    found = re.search(r"^ExecStart=\S+/gatefleet (.+)$", unit, re.MULTILINE)
    assert found
    pairs = dict(line.split("=", 1) for line in settings.read_text().splitlines())
    return [str(GATEFLEET), *shlex.split(found[1])], pairs


def by_docker(text: str, _: Path) -> tuple[list[str], dict[str, str]]:
    words = shlex.split(text)
    told = [words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--env"]
    assert words[-2].startswith("gatefleet:")
    return [str(GATEFLEET), words[-1]], dict(told)


def by_compose(text: str, _: Path) -> tuple[list[str], dict[str, str]]:
    compose: dict[str, Any] = yaml.safe_load(text)
    (service,) = compose["services"].values()
    assert {volume.split(":")[0] for volume in service["volumes"]} == set(compose["volumes"])
    return [str(GATEFLEET), *service["command"]], service["environment"]


def by_helm(text: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """What Helm makes of the script's values, with the secret it mounts as a file."""
    secret, install = (shlex.split(line) for line in text.replace("\\\n", "").splitlines())
    values: dict[str, Any] = {}
    for at, word in enumerate(install):
        if word.startswith("--set"):
            path, value = install[at + 1].split("=", 1)
            above, _, name = path.rpartition(".")
            values.setdefault(above, {})[name] = value.replace("\\,", ",")
    (container,) = containers(installed("gatefleet-gateway", values))
    assert values["dp_manager"]["existingSecret"] == secret[4]
    (folder / "token").write_text(secret[5].removeprefix("--from-literal=token="))
    environment = {each["name"]: each["value"] for each in container["env"]}
    environment["GATEFLEET_NODE_TOKEN_FILE"] = environment["GATEFLEET_NODE_TOKEN_FILE"].replace(
        "/etc/gatefleet/join", str(folder)
    )
    return [str(GATEFLEET), *container["args"]], environment


READ = dict(zip(KINDS, (as_process, by_systemd, by_docker, by_compose, by_helm), strict=True))


@contextlib.contextmanager
def started(command: list[str], told: dict[str, str], folder: Path) -> Iterator[int]:
    """A node on ports and in a directory of its own, otherwise as told; its offset."""
    offset = kit.free_offset()
    own = {"PORT_OFFSET": str(offset), "BIND": "127.0.0.1", "DATA_DIR": str(folder / "node"), "DRAIN_TIMEOUT": "1"}
    environment = {**os.environ, **told, **{f"GATEFLEET_NODE_{name}": value for name, value in own.items()}}
    environment["GATEFLEET_DIR"] = str(folder / "node")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield offset
    finally:
        process.terminate()
        process.wait(40)


def test_each_script_joins_a_node_that_starts(fleet: Fleet) -> None:
    with kit.workspace() as directory, contextlib.ExitStack() as stack:
        offsets: dict[str, int] = {}
        for kind in KINDS:
            folder = directory / kind
            folder.mkdir()
            command, told = READ[kind](script(fleet, kind), folder)
            offsets[kind] = stack.enter_context(started(command, told, folder))
        for offset in offsets.values():
            eventually(lambda port=PORTS["status"] + offset: _ready(port))
        found = fleet.call("GET", "/api/gateway_groups/default/instances?page_size=100").json()["list"]
        assert sum(each["status"] == "Healthy" for each in found) >= len(KINDS)


def _ready(port: int) -> bool:
    return kit.request(port, "GET", "/status/ready", "127.0.0.1", {}).status == 200
