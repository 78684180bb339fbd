"""What nodes report: many at once in one statement, the first report of a revision stays, what waits says why."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from sqlalchemy import text

from gatefleet import logs
from gatefleet.dpm import reports as bounded
from gatefleet.dpm.reports import BOUNDS, Reports
from gatefleet.fleet import Heard, Heartbeat, Machine, Proof, Proven
from gatefleet.pki import Identity
from gatefleet.resources import Document
from gatefleet.snapshot import ROUTES
from gatefleet.store import Store, receipts
from gatefleet.store.heartbeats import CHANNEL, Said, record
from gatefleet.store.listen import listen
from tests.conftest import MASTER_KEY
from tests.dpm.dp_manager import MACHINE, DpManager, dp_manager, node
from tests.dpm.test_feed import consumer, relay
from tests.xds.xds_client import until

pytestmark = pytest.mark.anyio
logs.configure("json", "dpm")  # drawing a traceback for people takes seconds on a busy machine, and nodes do not wait
NONE: Mapping[str, str] = MappingProxyType({})


def proven(revision: int, ms_ago: int = 0, rejected: Mapping[str, str] = NONE, **more: object) -> Heartbeat:
    reports = (Proven(revision, ms_ago, rejected=rejected),) if revision else ()
    return msgspec.structs.replace(Heartbeat(MACHINE, applied_revision=revision, proven=reports), **more)


@asynccontextmanager
async def reporting(store: Store) -> AsyncGenerator[Reports]:
    reports = Reports(store)
    running = asyncio.create_task(reports.run())
    try:
        yield reports
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def change(store: Store, count: int = 1) -> None:
    """Revisions of the default group, each 100 seconds after the one before: nobody here is slower."""
    async with store.transaction() as connection:
        for _ in range(count):
            raised = "update gateway_group set revision = revision + 1 where id = 'default'"
            await connection.execute(text(raised))
            logged = """insert into revision_log (group_id, revision, operator, request_id, upserts, deletes, at)
                select id, revision, '', '', '[["routes", "r"]]', '[]', now() + (revision - 4) * interval '100 s'
                from gateway_group where id = 'default'"""
            await connection.execute(text(logged))


async def say(store: Store, *said: tuple[str, Heartbeat]) -> None:
    async with store.transaction() as connection:
        await record(connection, [Said(Identity("default", name), beat) for name, beat in said])


async def receipt(store: Store, revision: int) -> receipts.Receipt:
    async with store.reading() as connection:
        return await receipts.receipt_of(connection, "default", revision)


async def test_an_instances_receipt_is_its_first_of_that_revision_or_a_later_one(store: Store) -> None:
    await say(store, ("a", proven(0)), ("b", proven(0)), ("c", Heartbeat(MACHINE, applied_revision=9)))
    await store_joined_early(store)
    await change(store, 3)
    await say(store, ("a", proven(1)), ("b", proven(3, 50_000)))
    several = (Proven(1), Proven(2, 40_000), Proven(3))
    await say(store, ("a", msgspec.structs.replace(proven(3), proven=several)), ("b", proven(3)))
    first, last = await receipt(store, 1), await receipt(store, 3)
    lines = {line.id: line for line in first.instances}
    second = {line.id: line.time_to_live_ms for line in (await receipt(store, 2)).instances}
    assert second["a"] == pytest.approx(160_000, abs=20_000)
    assert (first.text, first.converged, first.count("pending")) == ("2 of 3 instances live", False, 1)
    assert lines["c"].reason == "it runs version 0.1.0, which does not report what is live; upgrade it"
    assert lines["a"].time_to_live_ms == pytest.approx(300_000, abs=20_000)
    assert lines["b"].time_to_live_ms == pytest.approx(250_000, abs=20_000)  # by revision 3, before it was said
    assert {line.id: line.time_to_live_ms for line in last.instances}["b"] == pytest.approx(50_000, abs=20_000)
    assert first.time_to_live
    assert (first.time_to_live.p50_ms, first.time_to_live.p99_ms) == (
        lines["b"].time_to_live_ms,
        lines["a"].time_to_live_ms,
    )


async def store_joined_early(store: Store) -> None:
    async with store.transaction() as connection:
        await connection.execute(text("update instance set created_at = now() - interval '1 hour'"))


async def test_what_envoy_refuses_is_rejected_with_the_reason_and_later_revisions_are_not(store: Store) -> None:
    await change(store, 2)
    bad = {f"{ROUTES}/scope:x": "no such cluster"}
    await say(store, ("a", proven(1, rejected=bad, problems=bad)), ("a", proven(2, problems=bad)))
    await say(store, ("a", proven(1)))
    first, second = await receipt(store, 1), await receipt(store, 2)
    assert [(line.state, line.reason) for line in first.instances] == [
        ("rejected", "RouteConfiguration/scope:x: no such cluster")
    ]
    assert (first.text, first.converged) == ("0 of 1 instances live", True)
    assert second.text == "1 of 1 instances live"


async def test_who_is_away_is_pending_or_does_not_count(store: Store) -> None:
    await say(store, *((name, proven(0)) for name in ("live", "silent", "lost", "offline")), ("late", proven(0)))
    await change(store)
    await say(store, ("live", proven(1)), ("late", proven(1)), ("left", proven(0, leaving=True)))
    async with store.transaction() as connection:
        for name, ago in (("silent", "15 seconds"), ("lost", "40 seconds"), ("offline", "3 hours")):
            statement = "update instance set last_heartbeat_at = now() - cast(:ago as text)::interval where id = :name"
            await connection.execute(text(statement), {"name": name, "ago": ago})
    found = await receipt(store, 1)
    lines = {line.id: line for line in found.instances}
    assert found.text == "2 of 4 instances live"
    assert {name: line.reason for name, line in lines.items()} == {
        "live": "",
        "late": "",
        "silent": "it was last heard 15 seconds ago",
        "lost": "lost connection: not heard for 40 seconds",
    }
    assert lines["late"].time_to_live_ms is None  # it joined after the change


async def test_expected_times_come_from_changes_that_everybody_was_there_for(store: Store) -> None:
    async with store.reading() as connection:
        assert await receipts.expected(connection, "default") is None
    await change(store, 3)
    await say(store, ("a", proven(1)), ("a", proven(2)), ("b", proven(3)))
    async with store.transaction() as connection:
        took = "case r.revision when 1 then 0.1 when 2 then 0.2 else 3600 end * interval '1 s'"
        moved = f"update receipt r set at = l.at + {took} from revision_log l where l.revision = r.revision"  # noqa: S608
        await connection.execute(text(moved))
        assert await receipts.expected(connection, "default") == receipts.Expected(100.0, 200.0)


async def test_old_receipts_are_forgotten_but_the_newest_of_each_instance(store: Store) -> None:
    await change(store, 3)
    await say(store, *(("a", proven(n)) for n in (1, 2, 3)), ("b", proven(1)), ("gone", proven(1)))
    async with store.transaction() as connection:
        await connection.execute(text("update receipt set at = at - interval '8 days' where revision < 3"))
        await connection.execute(text("delete from instance where id = 'gone'"))
        assert await receipts.forget(connection) == 3
        left = await connection.execute(text("select instance_id, revision from receipt order by 1"))
        assert [tuple(row) for row in left] == [("a", 3), ("b", 1)]


async def quickest(reports: Reports, name: Identity) -> float:
    """Seconds that one report takes when there was none for a while, on a machine that does nothing else."""
    took: list[float] = []
    while not took or (min(took) >= BOUNDS.gap and len(took) < 20):
        await asyncio.sleep(BOUNDS.gap)
        began = time.monotonic()
        assert await reports.take(name, proven(1))
        took.append(time.monotonic() - began)
    return min(took)


async def test_a_thousand_nodes_report_at_once_in_few_statements_and_wake_whoever_waits(
    store: Store, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "BOUNDS", replace(BOUNDS, patience=60.0))  # nodes wait longer than a second, too
    await change(store)
    woken: list[str | None] = []
    listener = asyncio.create_task(listen(dsn, woken.append, CHANNEL))
    try:
        await until(lambda: woken == [None])
        async with reporting(store) as reports:
            names = [Identity("default", f"n{n}") for n in range(1000)]
            assert all(await asyncio.gather(*(reports.take(name, proven(1)) for name in (*names, names[0]))))
            await until(lambda: len(woken) > 1)
            assert await quickest(reports, names[0]) < BOUNDS.gap  # nothing waits when there is nothing to wait for
        assert set(woken[1:]) == {"default"}
        assert (await receipt(store, 1)).text == "1000 of 1000 instances live"
        assert not await reports.take(names[0], proven(1))
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def test_one_heartbeat_that_cannot_be_recorded_keeps_no_other_from_it(store: Store) -> None:
    await change(store)
    async with reporting(store) as reports:
        names = [Identity("default", name) for name in ("a", "no\0t", "b")]
        assert await asyncio.gather(*(reports.take(name, proven(1)) for name in names)) == [True, False, True]
    assert (await receipt(store, 1)).text == "2 of 2 instances live"


async def test_what_was_not_recorded_is_not_said_to_be_and_the_next_heartbeat_brings_it(
    store: Store, dsn: str, tmp_path: Path
) -> None:
    async with relay(dsn, tmp_path) as way, dp_manager(store, way.dsn, MASTER_KEY, tmp_path) as manager:
        await manager.put("default", consumer("one"))
        async with node(manager, await manager.bundle()) as member:

            async def beat() -> Heard:
                said = proven(1, rejected={"x\0y": "z\0"}, pending="\0")
                return await member.tell(said)

            await way.cut()
            assert (await beat()).recorded_revision == 0
            await way.open()
            assert (await beat()).recorded_revision == 1
        assert [line.state for line in (await receipt(store, 1)).instances] == ["rejected"]


async def test_older_nodes_and_newer_ones_are_understood(manager: DpManager) -> None:
    """Words that are not known are passed over, those that are missing have a meaning."""

    class Newer(Heartbeat, frozen=True):
        tomorrow: str = "x"

    class Older(msgspec.Struct, frozen=True):
        machine: Machine
        applied_revision: int

    await manager.put("default", Document("consumers", "c", None, {"username": "c"}))
    async with node(manager, await manager.bundle()) as member:
        for said in (Newer(MACHINE, proven=(Proven(1, proof=Proof(1, 1)),)), Older(MACHINE, 1)):
            assert (await member.tell(said)).newest_revision in (0, 1)
    assert [line.state for line in (await receipt(manager.store, 1)).instances] == ["live"]
