"""One service in Test, UAT and Production: the guide's page is run as it is written, but for ports and ids."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import kit
from tests.e2e.kit import Fleet, GatewayNode, eventually
from tests.e2e.test_groups import join

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "versions.md"
BACKENDS = ("8001", "8002", "8003")


@dataclass(frozen=True)
class Environments:
    """Two more groups with a node each, and an upstream per environment."""

    groups: Mapping[str, str]
    nodes: tuple[GatewayNode, GatewayNode]
    upstreams: tuple[int, int, int]


@pytest.fixture(scope="module")
def environments(fleet: Fleet) -> Iterator[Environments]:
    with ExitStack() as stack:
        directory = stack.enter_context(kit.workspace())
        groups: dict[str, str] = {}
        nodes: list[GatewayNode] = []
        for name in ("UAT", "PROD"):
            groups[name], token = join(fleet, f"{name} of the guide")
            manager = f"https://127.0.0.1:{fleet.port('dpm_tls')}"
            started = kit.node(directory / name, "--dp-manager", manager, "--token", token, "--envoy-concurrency", "1")
            nodes.append(stack.enter_context(started))
        for node in nodes:
            eventually(lambda node=node: node.status("/status/ready").status == 200)
        first, second, third = (stack.enter_context(kit.echo()) for _ in BACKENDS)
        yield Environments(groups, (nodes[0], nodes[1]), (first, second, third))
        fleet.delete("services/httpbin")
        clean(fleet, "/api/approval_rules", "four eyes")
        clean(fleet, "/api/gateway_groups", "UAT", "Production")


def clean(fleet: Fleet, path: str, *names: str) -> None:
    """Delete what the page made besides the service."""
    for each in fleet.call("GET", path).json()["list"]:
        if each["name"] in names:
            assert fleet.call("DELETE", f"{path}/{each['id']}").status_code == 200


def test_the_guide_from_test_to_production_works_as_written(fleet: Fleet, environments: Environments) -> None:
    ports = {
        "7080": fleet.port("admin"),
        "9080": fleet.port("http"),
        "10080": kit.PORTS["http"] + environments.nodes[0].offset,
        "11080": kit.PORTS["http"] + environments.nodes[1].offset,
        **dict(zip(BACKENDS, environments.upstreams, strict=True)),
    }
    steps = [line for line in PAGE.read_text().splitlines() if line.startswith("curl ")]
    assert len(steps) > 25
    for step in steps:
        command, _, expected = step.partition("   # ")
        line = re.sub(r"\b(\d{4,5})\b", lambda m: str(ports.get(m.group(), m.group())), command)
        if "gateway_groups -d" in line or "approval" in line:
            assert '"error_msg"' not in run(line, environments.groups)
        elif line.startswith("curl -si -H"):
            eventually(lambda line=line, expected=expected: expected in run(line, environments.groups))
        else:
            assert (expected or '"value"') in run(line, environments.groups), step
        if expected.startswith("x-release"):
            assert served_by(line, environments) in environments.upstreams


def served_by(line: str, environments: Environments) -> int:
    """The upstream that answered a request of the page: each environment has its own."""
    said = re.search(r'"server": (\d+)', run(line, environments.groups))
    assert said
    number = ["test.", "uat.", "www."].index(next(name for name in ("test.", "uat.", "www.") if name in line))
    assert int(said[1]) == environments.upstreams[number]
    return int(said[1])


def run(line: str, groups: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60, env={**os.environ, **groups}
    )
    return done.stdout
