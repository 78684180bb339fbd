"""A rehearsed outage on a running fleet: the instance serves throughout, comes back by itself, and it is on record."""

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import kit
from tests.e2e.failures.traffic import told, traffic
from tests.e2e.kit import Fleet, GatewayNode, eventually
from tests.e2e.test_groups import join


@dataclass(frozen=True)
class Place:
    """A group with two nodes, each the other's peer, and a token for the command line."""

    fleet: Fleet
    group: str
    nodes: tuple[GatewayNode, GatewayNode]
    token: str

    def instance(self, node: GatewayNode) -> str:
        return (node.directory / "instance").read_text().strip()

    def ports(self) -> list[int]:
        return [kit.PORTS["http"] + node.offset for node in self.nodes]

    def drill(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "GATEFLEET_SERVER": self.fleet.url("admin"), "GATEFLEET_TOKEN": self.token}
        command = [kit.GATEFLEET, "drill", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)

    def audited(self, instance: str) -> list[dict[str, Any]]:
        return self.fleet.call("GET", f"/api/audit_logs?resource_id={instance}", group=None).json()["list"]


@pytest.fixture(scope="module")
def place(fleet: Fleet, upstream: int) -> Iterator[Place]:
    group, token = join(fleet, f"drill-{uuid.uuid4().hex[:6]}")
    offsets = [kit.free_offset() for _ in range(2)]
    peers = [("--peer-port", "7944", "--peer", f"127.0.0.1:{7944 + offset}") for offset in reversed(offsets)]
    options = ("--dp-manager", f"https://127.0.0.1:{fleet.port('dpm_tls')}", "--token", token)
    with (
        kit.workspace() as directory,
        kit.node(directory / "one", *options, *peers[0], "--envoy-concurrency", "1", offset=offsets[0]) as one,
        kit.node(directory / "two", *options, *peers[1], "--envoy-concurrency", "1", offset=offsets[1]) as two,
    ):
        fleet.service("s", upstream, group=group)
        fleet.route("r", "s", "/steady", group=group)
        for node in (one, two):
            eventually(lambda node=node: node.get("/steady").status == 200)
            node.keeps(group, 2)
        made = fleet.call("POST", "/api/tokens", {"name": group, "expires_at": 0}, group=None)
        yield Place(fleet, group, (one, two), made.json()["value"]["token"])


def test_an_instance_serves_while_it_is_cut_off_and_started_anew_from_its_disk(place: Place) -> None:
    one, _ = place.nodes
    pid = one.process.pid
    with traffic(place.ports()[0]) as seen:
        done = place.drill(place.instance(one), "-g", place.group, "--seconds", "10", "-o", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["state"], found["started_from"], found["seconds"]) == ("passed", "disk", 10)
    assert [part["name"] for part in found["parts"]] == ["before", "cut off", "started anew", "connected again"]
    assert all(part["probes"] > 0 and part["failed"] == 0 for part in found["parts"])
    assert found["revision_after"] == found["revision_before"] > 0
    assert one.process.poll() is None
    assert one.process.pid == pid
    eventually(lambda: one.status("/status/ready").status == 200)
    assert [row["event_type"] for row in place.audited(place.instance(one))] == ["CreateDrill"]
    told("drill from the disk", seen, found["reconnect_seconds"])


def test_with_a_new_envoy_it_starts_from_a_peer_while_others_serve_and_nobody_has_to_wait_for_it(place: Place) -> None:
    _, two = place.nodes
    path = f"/api/gateway_groups/{place.group}"
    body = {"seconds": 12, "source": "bucket", "envoy": True}
    with traffic(*place.ports()) as seen:
        made = place.fleet.call("POST", f"{path}/instances/{place.instance(two)}/drills", body)
        assert made.status_code == 200, made.text
        again = place.fleet.call("POST", f"{path}/instances/{place.instance(two)}/drills", body)
        assert again.status_code == 409
        assert "is not over yet" in again.json()["error_msg"]
        eventually(lambda: b"for a drill" in two.status("/status/ready").body)
        time.sleep(body["seconds"])
        found = eventually(lambda: _over(place, made.json()["value"]["id"]), every=0.5)
    assert (found["state"], found["started_from"], found["reason"]) == ("passed", "peer", "")
    eventually(lambda: two.status("/status/ready").status == 200)
    told("drill with a new Envoy, behind a load balancer", seen, found["reconnect_seconds"])


def _over(place: Place, drill: str) -> dict[str, Any]:
    found = place.fleet.call("GET", f"/api/gateway_groups/{place.group}/drills/{drill}").json()["value"]
    return found if found["state"] != "running" else {}


def test_the_only_healthy_instance_of_a_group_is_left_alone(place: Place) -> None:
    found = place.fleet.call("GET", "/api/gateway_groups/default/instances?page_size=100").json()["list"]
    (only,) = (each for each in found if each["status"] == "Healthy")  # other tests' nodes may have left a trace
    done = place.drill(only["id"], "--seconds", "10")
    assert done.returncode == 1
    assert f"instance [{only['id']}] is the only healthy one of gateway group [default]" in done.stderr
    assert place.drill("nobody", "--seconds", "10").returncode == 1
    assert place.drill(only["id"], "--seconds", "5").returncode == 2
