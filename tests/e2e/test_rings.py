"""Rings with four real nodes, one of them in the ring: what it tries, nobody else serves until it is promoted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e import kit
from tests.e2e.kit import Answer, Fleet, eventually

PATH = "/shop"


@dataclass(frozen=True)
class Four:
    """The fleet, a way to ask each of its four nodes, the canary first, and the service they serve."""

    fleet: Fleet
    nodes: list[Callable[[str], Answer]]
    service: str

    def ring(self, version: str, plugins: dict[str, Any], **more: Any) -> Any:
        """Change the template's plugins and try them as this version on the canary."""
        body = {"name": "shop", "plugins": plugins}
        assert self.fleet.call("PUT", f"/api/services/template/{self.service}", body).status_code == 200
        order = {"create_new_version": True, "services": [{"service_id": self.service, "version": version}]}
        started = self.fleet.call("POST", RINGS, {**order, "share": {"labels": {"env": "canary"}}, **more})
        assert started.status_code == 200, started.text
        return started.json()["value"]


RINGS = "/api/gateway_groups/default/rings"


@pytest.fixture(scope="module")
def four(upstream: int) -> Iterator[Four]:
    with kit.workspace() as directory, ExitStack() as stack:
        small = ("--envoy-concurrency", "1")
        fleet = stack.enter_context(kit.running(directory / "data", *small))
        manager = ("--dp-manager", f"https://127.0.0.1:{fleet.port('dpm_tls')}")
        token = fleet.call("POST", "/api/gateway_groups/default/instance_token", {}).json()["value"]["token_plain_text"]
        joined = [
            stack.enter_context(kit.node(directory / name, *manager, "--token", token, *small, *labels))
            for name, labels in (("canary", ("--labels", "env=canary")), ("b", ()), ("c", ()))
        ]
        service = fleet.call("POST", "/api/services/template", {"name": "shop"}).json()["value"]["id"]
        route = {"name": "shop", "service_id": service, "paths": [PATH]}
        assert fleet.call("POST", "/api/routes/template", route).status_code == 200
        nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
        item = {"service_id": service, "version": "1.0.0", "upstream": {"nodes": nodes}}
        body = {"create_new_version": True, "gateway_group_id": "default", "services": [item]}
        assert fleet.call("POST", "/api/services/publish", body).status_code == 200
        found = Four(fleet, [joined[0].get, joined[1].get, joined[2].get, fleet.get], service)
        for ask in found.nodes:
            eventually(lambda a=ask: a(PATH).status == 200)
        yield found


@dataclass
class Seen:
    """What each node answered: moment, status, version by a header."""

    answers: list[list[tuple[float, int, str]]] = field(default_factory=lambda: [[] for _ in range(4)])

    def statuses(self, node: int) -> set[int]:
        return {status for _, status, _ in self.answers[node]}

    def versions(self, node: int) -> set[str]:
        return {version for _, _, version in self.answers[node]}


@contextmanager
def light_traffic(four: Four) -> Iterator[Seen]:
    """Each node is asked again and again; a request that gets no answer has status 0."""
    seen, stop = Seen(), threading.Event()

    def ask(node: int) -> None:
        while not stop.wait(0.02):
            try:
                answer = four.nodes[node](PATH)
                seen.answers[node].append((time.monotonic(), answer.status, answer.headers.get("x-version", "")))
            except OSError:
                seen.answers[node].append((time.monotonic(), 0, ""))

    threads = [threading.Thread(target=ask, args=(node,), daemon=True) for node in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def test_a_bad_version_is_served_by_the_ring_alone_and_rolled_back_by_its_rule(four: Four) -> None:
    rule = {"metric": "5xx_ratio", "threshold": 0.02, "window_seconds": 10, "min_requests": 10}
    with light_traffic(four) as seen:
        eventually(lambda: all(seen.answers))
        began = time.monotonic()
        ring = four.ring("1.1.0", {"fault-injection": {"abort": {"http_status": 500}}}, rule=rule)
        assert len(ring["members"]) == 1
        eventually(lambda: 500 in seen.statuses(0))
        eventually(lambda: seen.answers[0][-1][1] == 200)  # nobody has asked the Admin API for anything
        back = time.monotonic() - began
        eventually(lambda: sum(at > began + back for at, _, _ in seen.answers[0]) > 10)
    assert [seen.statuses(node) for node in range(1, 4)] == [{200}] * 3
    assert seen.statuses(0) == {200, 500}
    assert {status for at, status, _ in seen.answers[0] if at > began + back} == {200}
    ended = four.fleet.call("GET", f"{RINGS}/{ring['id']}").json()["value"]
    assert (ended["state"], ended["ended_by"]) == ("rolled_back", "gatefleet")
    assert "answered with 5xx in 10 s" in ended["reason"]
    audit = four.fleet.call("GET", "/api/gateway_groups/default/revisions").json()["list"][0]
    assert (audit["action"], audit["operator"]) == ("ring-rollback", "gatefleet")


def test_a_good_version_survives_the_leaders_death_and_is_promoted_to_all(four: Four) -> None:
    good = {"response-rewrite": {"headers": {"set": {"x-version": "1.2.0"}}}}
    with light_traffic(four) as seen:
        ring = four.ring("1.2.0", good)
        eventually(lambda: "1.2.0" in seen.versions(0))
        four.fleet.processes("gatefleet", "dpm")[0].kill()
        eventually(lambda: four.fleet.client.get(four.fleet.url("dpm", "/healthz")).status_code == 200)
        eventually(lambda: b"gatefleet_leader 1.0" in four.fleet.client.get(four.fleet.url("dpm", "/metrics")).content)
        four.fleet.service("meanwhile", 1)
        time.sleep(1)
        assert [seen.versions(node) for node in range(1, 4)] == [{""}] * 3
        assert seen.answers[0][-1][2] == "1.2.0"
        eventually(lambda: _compared(four, ring)["rest"]["requests"] > 0)
        ended = four.fleet.call("POST", f"{RINGS}/{ring['id']}/promote", {"note": "good"}).json()["value"]
        assert (ended["state"], ended["ended_by"]) == ("promoted", "admin")
        eventually(lambda: all(seen.answers[node][-1][2] == "1.2.0" for node in range(4)))
    assert [seen.statuses(node) for node in range(4)] == [{200}] * 4


def _compared(four: Four, ring: Any) -> Any:
    found = four.fleet.call("GET", f"{RINGS}/{ring['id']}").json()["value"]["comparison"]
    assert found["ring"]["requests"] > 0
    assert found["ring"]["errors"] == 0
    return found
