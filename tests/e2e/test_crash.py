"""kill -9 in the middle of 200 publications: each is wholly there or wholly absent, and nodes serve what is there."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.e2e import kit
from tests.e2e.kit import Fleet, eventually
from tests.e2e.test_groups import join

PUBLICATIONS = 200
KILLED = {40: "admin", 100: "postgres", 160: "admin"}


@pytest.fixture
def own() -> Iterator[Fleet]:
    with kit.workspace() as directory, kit.running(directory / "data") as fleet:
        yield fleet


@dataclass
class Publisher:
    """Publishes version after version of one service to two groups, and remembers what it was told."""

    fleet: Fleet
    service: str
    groups: tuple[str, str]
    answered: set[str] = field(default_factory=set[str])
    unknown: set[str] = field(default_factory=set[str])

    def publish(self, version: str) -> None:
        plugins = {"response-rewrite": {"headers": {"set": {"x-release": version}}}}
        item = {"service_id": self.service, "version": version, "plugins": plugins}
        body = {"create_new_version": True, "gateway_group_ids": self.groups, "services": [item]}
        try:
            answer = self.fleet.call("POST", "/api/services/publish", body)
        except httpx.TransportError:
            self.unknown.add(version)
        else:
            assert answer.status_code in {200, 503}, answer.text
            (self.answered if answer.status_code == 200 else self.unknown).add(version)
        if version in self.unknown:
            eventually(lambda: self.fleet.ready() and self.versions())

    def versions(self) -> list[str]:
        """The versions there are, oldest first."""
        return [each["version"] for each in self.listed(f"/api/services/{self.service}/versions")][::-1]

    def history(self, group: str) -> list[dict[str, Any]]:
        return self.listed(f"/api/gateway_groups/{group}/services/{self.service}/history")[::-1]

    def listed(self, path: str) -> list[dict[str, Any]]:
        answer = self.fleet.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["list"]


def test_every_publication_is_wholly_there_or_wholly_absent(own: Fleet, upstream: int) -> None:
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    template = {"name": "crash", "upstream": {"nodes": nodes}}
    service = own.call("POST", "/api/services/template", template).json()["value"]["id"]
    route = {"name": "r", "service_id": service, "paths": ["/crash"]}
    assert own.call("POST", "/api/routes/template", route).status_code == 200
    publisher = Publisher(own, service, ("default", join(own, "crash")[0]))
    delays = random.Random(3)
    for number in range(1, PUBLICATIONS + 1):
        if number in KILLED:
            threading.Timer(delays.uniform(0, 0.03), kill, (own, KILLED[number])).start()
        publisher.publish(str(number))
    check(publisher)
    served(publisher)


def kill(fleet: Fleet, part: str) -> None:
    words = ("postgres", "-D") if part == "postgres" else ("gatefleet", part)
    fleet.processes(*words)[0].kill()


def check(publisher: Publisher) -> None:
    """A version is there if and only if both groups have taken it, each in a revision of its own."""
    there = publisher.versions()
    assert publisher.answered <= set(there) <= publisher.answered | publisher.unknown
    assert 1 <= len(publisher.unknown) <= 3 * len(KILLED)
    for group in publisher.groups:
        entries = publisher.history(group)
        assert [entry["version"] for entry in entries] == there
        assert [entry["revision"] for entry in entries] == list(range(1, len(there) + 1))
        path = f"/api/gateway_groups/{group}/services/{publisher.service}"
        live = publisher.fleet.call("GET", path).json()["value"]
        assert live["version"] == there[-1]
        assert live["plugins"]["response-rewrite"]["headers"]["set"]["x-release"] == there[-1]


def served(publisher: Publisher) -> None:
    """The receipt of the last revision agrees with what the node serves."""
    fleet, last = publisher.fleet, publisher.versions()[-1]
    revision = publisher.history("default")[-1]["revision"]
    path = f"/api/gateway_groups/default/revisions/{revision}/receipt?wait=60"
    found = fleet.client.get(fleet.url("admin", path), auth=("admin", "admin"), timeout=90).json()["value"]
    assert found["text"] == "1 of 1 instances live"
    assert fleet.get("/crash").headers["x-release"] == last
