"""Receipts of a group with two nodes: what they say is what the nodes serve."""

import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import kit
from tests.e2e.kit import Fleet, GatewayNode, eventually
from tests.e2e.test_groups import join


@dataclass(frozen=True)
class Pair:
    """A group and its two nodes."""

    fleet: Fleet
    group: str
    nodes: tuple[GatewayNode, GatewayNode]

    def change(self, path: str) -> int:
        """Serve one more path; the group's revision with it."""
        name = path.strip("/")
        body = {"name": name, "service_id": "s", "paths": [path]}
        answer = self.fleet.call("PUT", f"/apisix/admin/routes/{name}", body, group=self.group)
        assert answer.status_code == 200, answer.text
        return int(answer.headers["x-gateway-group-revision"])

    def receipt(self, revision: int, wait: int = 0) -> dict[str, Any]:
        path = f"/api/gateway_groups/{self.group}/revisions/{revision}/receipt?wait={wait}"
        answer = self.fleet.client.get(self.fleet.url("admin", path), auth=("admin", "admin"), timeout=70)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]


@pytest.fixture(scope="module")
def pair(fleet: Fleet, upstream: int) -> Iterator[Pair]:
    group, token = join(fleet, f"pair-{uuid.uuid4().hex[:6]}")
    options = ("--dp-manager", f"https://127.0.0.1:{fleet.port('dpm_tls')}", "--token", token)
    with (
        kit.workspace() as directory,
        kit.node(directory / "one", *options, "--envoy-concurrency", "2", "--labels", "env=canary") as one,
        kit.node(directory / "two", *options, "--envoy-concurrency", "1") as two,
    ):
        for node in (one, two):
            eventually(lambda node=node: node.status("/status/ready").status == 200)
        fleet.service("s", upstream, group=group)
        yield Pair(fleet, group, (one, two))


def test_a_change_is_live_on_every_node_when_its_receipt_says_so(pair: Pair) -> None:
    revision = 0
    for number in range(5):
        revision = pair.change(f"/live{number}")
        found = pair.receipt(revision, wait=30)
        assert [node.get(f"/live{number}").status for node in pair.nodes] == [200, 200]
        assert (found["text"], found["converged"]) == ("2 of 2 instances live", True)
        assert 0 < found["time_to_live"]["p50_ms"] <= found["time_to_live"]["p99_ms"] < 30_000
        assert all(line["proof"]["probed"] >= 1 for line in found["instances"])
    assert pair.receipt(revision)["expected"]["p50_ms"] > 0
    listed = pair.fleet.call("GET", f"/api/gateway_groups/{pair.group}/receipts?page_size=5").json()
    assert [each["revision"] for each in listed["list"]] == list(range(revision, revision - 5, -1))
    assert all(each["text"] == "2 of 2 instances live" for each in listed["list"])
    path = f"/api/gateway_groups/{pair.group}/instances?labels[env]=canary"
    (labelled,) = pair.fleet.call("GET", path).json()["list"]
    assert (labelled["labels"], labelled["revision_lag"]) == ({"env": "canary"}, 0)


def test_a_node_that_does_not_answer_is_pending_with_a_reason_until_it_does(pair: Pair) -> None:
    one, two = pair.nodes
    two.process.send_signal(signal.SIGSTOP)
    try:
        revision = pair.change("/stopped")
        began = time.monotonic()
        found = pair.receipt(revision, wait=3)
        assert time.monotonic() - began > 2.9
        assert (found["text"], found["pending"], found["converged"]) == ("1 of 2 instances live", 1, False)
        (waits,) = [line for line in found["instances"] if line["state"] == "pending"]
        assert waits["reason"]
        assert (one.get("/stopped").status, two.get("/stopped").status) == (200, 404)
        threading.Timer(1, two.process.send_signal, (signal.SIGCONT,)).start()
        found = pair.receipt(revision, wait=40)
        assert (found["text"], two.get("/stopped").status) == ("2 of 2 instances live", 200)
        assert found["time_to_live"]["p99_ms"] > 3000
    finally:
        two.process.send_signal(signal.SIGCONT)
