"""Receipts: who serves a revision, and requests that wait until everybody does."""

import asyncio
import time
from typing import Any

import pytest
from admin_api import Api
from sqlalchemy import text

from gatefleet.admin import receipts, waits
from gatefleet.fleet import Heartbeat, Machine, Proof, Proven
from gatefleet.pki import Identity
from gatefleet.store.heartbeats import Said, record

pytestmark = pytest.mark.anyio

GROUP = "/api/gateway_groups/default"


async def say(api: Api, name: str, revision: int, pending: str = "", **more: Any) -> None:
    machine = Machine(f"host-{name}", "10.0.0.1", "0.1.0")
    proven = (Proven(revision, **more),) if revision else ()
    beat = Heartbeat(machine, applied_revision=revision, proven=proven, pending=pending)
    async with api.store.transaction() as connection:
        await record(connection, [Said(Identity("default", name), beat)])


async def change(api: Api) -> int:
    """A change of the group; its revision."""
    await api.call("PUT", "/apisix/admin/services/s", {"name": f"s{time.monotonic_ns()}"})
    return (await api.call("GET", f"{GROUP}/receipts?page_size=1"))["list"][0]["revision"]


async def receipt(api: Api, revision: int, query: str = "") -> dict[str, Any]:
    return (await api.call("GET", f"{GROUP}/revisions/{revision}/receipt?{query}"))["value"]


async def test_a_receipt_says_of_each_instance_what_became_of_the_revision(api: Api) -> None:
    for name in "abc":
        await say(api, name, 0)
    revision = await change(api)
    proof = Proof(probed=2, scopes=2, acknowledged={"Cluster": 1})
    await say(api, "a", revision, proof=proof)
    await say(api, "b", revision, rejected={"type.googleapis.com/envoy.config.cluster.v3.Cluster/x": "bad port"})
    await say(api, "c", 0, pending="1 route scopes do not show their new version yet: x")
    found = await receipt(api, revision)
    counts = {name: found[name] for name in ("total", "live", "pending", "rejected", "converged", "text")}
    assert counts == {
        "total": 3, "live": 1, "pending": 1, "rejected": 1, "converged": False, "text": "1 of 3 instances live",
    }  # fmt: skip
    lines = {line["id"]: line for line in found["instances"]}
    assert lines["a"]["proof"] == {"probed": 2, "scopes": 2, "acknowledged": {"Cluster": 1}}
    assert 0 <= lines["a"]["time_to_live_ms"] < 60_000
    assert (lines["b"]["state"], lines["b"]["reason"]) == ("rejected", "Cluster/x: bad port")
    assert (lines["c"]["state"], lines["c"]["reason"]) == (
        "pending", "1 route scopes do not show their new version yet: x",
    )  # fmt: skip
    assert found["time_to_live"]["p50_ms"] <= found["time_to_live"]["p99_ms"]
    assert found["expected"]["p50_ms"] == lines["a"]["time_to_live_ms"]
    (listed,) = (await api.call("GET", f"{GROUP}/receipts"))["list"]
    assert listed == {name: found[name] for name in listed}
    instances = (await api.call("GET", f"{GROUP}/instances"))["list"]
    assert {i["id"]: (i["proven_revision"], i["revision_lag"]) for i in instances} == {
        "a": (revision, 0), "b": (revision, 0), "c": (0, revision),
    }  # fmt: skip


async def test_what_is_asked_wrong_is_refused(api: Api) -> None:
    assert "revision [7] of gateway group [default] not found" in await api.refused(
        "GET", f"{GROUP}/revisions/7/receipt", status=404
    )
    revision = await change(api)
    for wait in ("61", "-1", "x", "9" * 5000):
        assert "0 to 60" in await api.refused("GET", f"{GROUP}/revisions/{revision}/receipt?wait={wait}")
    await api.refused("GET", f"{GROUP}/revisions/zero/receipt")
    assert (await receipt(api, revision, "wait=60"))["text"] == "0 of 0 instances live"  # nobody to wait for


async def test_waiting_ends_when_the_last_instance_has_told_and_not_before(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "LOOK_SECONDS", 600)  # whoever is not told waits until his time is over
    for name in "ab":
        await say(api, name, 0)
    revision = await change(api)
    waiting = [asyncio.create_task(receipt(api, revision, "wait=60")) for _ in range(5)]
    await one_waits(api)
    await say(api, "a", revision)
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)
    await say(api, "b", revision)
    answers = await asyncio.wait_for(asyncio.gather(*waiting), 50)
    assert {answer["text"] for answer in answers} == {"2 of 2 instances live"}


async def test_waiting_ends_in_time_and_not_everybody_may_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await say(api, "a", 0)
    revision = await change(api)
    began = time.monotonic()
    found = await receipt(api, revision, "wait=1")
    assert 0.9 < time.monotonic() - began < 30
    assert (found["converged"], found["instances"][0]["reason"]) == (False, "it has proven revision 0 so far")
    monkeypatch.setattr(waits, "MOST", 1)
    waiting = asyncio.create_task(receipt(api, revision, "wait=60"))
    await one_waits(api)
    path = f"{GROUP}/revisions/{revision}/receipt?wait=20"
    assert "wait for receipts already" in await api.refused("GET", path, status=503)
    await say(api, "a", revision)
    assert (await waiting)["converged"]


async def one_waits(api: Api) -> None:
    """Until a request waits: then somebody listens for what instances tell."""
    asked = "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen%'"
    async with asyncio.timeout(30):
        while True:
            async with api.store.reading() as connection:
                if (await connection.execute(text(asked))).scalar_one():
                    return
            await asyncio.sleep(0.02)


async def test_a_client_that_goes_away_waits_no_more(api: Api) -> None:
    """As uvicorn has it: the request goes on, and only `receive` tells that nobody listens any more."""
    await say(api, "a", 0)
    revision = await change(api)
    gone, answered = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        answered.set()

    path = f"{GROUP}/revisions/{revision}/receipt"
    headers = [(name.lower().encode(), text.encode()) for name, text in api.headers.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"wait=60", "headers": headers, "root_path": "",
        "client": ("test", 1), "server": ("test", 80), "state": {"request_id": "r"},
    }  # fmt: skip
    task = asyncio.create_task(api.app(scope, receive, send))
    await one_waits(api)
    assert not task.done()
    gone.set()
    await asyncio.wait_for(task, 30)
    assert answered.is_set()
