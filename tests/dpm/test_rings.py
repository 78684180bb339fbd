"""A ring at the DP Manager: two variants of one revision, each to its own nodes, and a leader who ends it by rule."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text

from gatefleet import fleet, sealed
from gatefleet.fleet import Counted, Tally
from gatefleet.resources.ring_rules import Rule
from gatefleet.resources.rings import Overlay
from gatefleet.snapshot import CLUSTER, CONSUMER, ROUTES, SEAL, Snapshot
from gatefleet.store import Author, Store, rings
from gatefleet.store import fleet as fleets
from gatefleet.store.lead import lead
from gatefleet.store.ring_changes import begin, promote, roll_back
from gatefleet.store.rings import Ring, Start
from gatefleet.store.tables import audit_log, publication_history, revision_log
from tests.conftest import MASTER_KEY
from tests.dpm.dp_manager import DpManager, Following, dp_manager, node
from tests.dpm.test_feed import consumer, route, service
from tests.xds.xds_client import until

pytestmark = pytest.mark.anyio
BY = Author("somebody", "r")


def body(snapshot: Snapshot, type_url: str = ROUTES) -> bytes:
    return b"".join(entry.body for entry in snapshot.of(type_url).values())


async def start(store: Store, *members: str, rule: Rule | None = None) -> Ring:
    """A ring that brings service s a route /bad and takes away /old."""
    async with store.change("default", BY) as documents:
        present = tuple(await documents.family("services", "s"))
        overlay = Overlay((route("bad", "s"),), (("routes", "old"),), present)
        services = [{"id": "s", "name": "s", "version": "2", "service_version_id": ""}]
        wanted = Start("ring-1", services, {"count": len(members)}, members, rule, overlay, "try it")
        return await begin(documents, store.cipher, wanted, BY.operator)


@asynccontextmanager
async def fleet_of(manager: DpManager, *instances: str) -> AsyncIterator[Mapping[str, Following]]:
    """Nodes that share one certificate, each with its own id."""
    pair = await manager.bundle()
    async with AsyncExitStack() as stack:
        found: dict[str, Following] = {}
        for name in instances:
            member = await stack.enter_async_context(node(manager, pair))
            found[name] = await stack.enter_async_context(member.following(**{fleet.INSTANCE_HEADER: name}))
        yield found


async def test_only_members_are_sent_the_ring_and_what_else_changes_reaches_both(manager: DpManager) -> None:
    await manager.put("default", service("s"), route("old", "s"), service("t"), route("other", "t"))
    async with fleet_of(manager, "a", "b") as nodes:
        for stream in nodes.values():
            await stream.revision(1)
            stream.brought.clear()
        ring = await start(manager.store, "a")
        await until(lambda: b"/bad" in body(nodes["a"].follower.snapshot) and nodes["a"].seal)
        assert (await nodes["b"].revision(2)).revision == (await nodes["a"].revision(2)).revision == 2
        assert CLUSTER not in nodes["a"].brought  # what it had is not sent again, on the stream that it had
        assert nodes["a"].follower.problem == ""
        await manager.put("default", consumer("jack"))
        for name, stream in nodes.items():
            await stream.revision(3)
            held = stream.follower.snapshot
            assert set(held.of(CONSUMER)) == {"jack"}
            assert (b"/bad" in body(held), b"/old" in body(held)) == ((True, False) if name == "a" else (False, True))
            assert b"gf.metrics" in body(held)  # both count
        async with manager.store.change("default", BY) as documents:
            await roll_back(documents, manager.store.cipher, ring, "somebody", "enough")
        for stream in nodes.values():
            await stream.revision(4)
            assert b"/bad" not in body(stream.follower.snapshot)
            assert b"gf.metrics" not in body(stream.follower.snapshot)
        assert nodes["a"].follower.snapshot.of(ROUTES) == nodes["b"].follower.snapshot.of(ROUTES)


async def test_a_promoted_ring_is_what_everybody_serves(manager: DpManager) -> None:
    await manager.put("default", service("s"), route("old", "s"))
    async with fleet_of(manager, "a", "b") as nodes:
        ring = await start(manager.store, "b")
        async with manager.store.change("default", BY) as documents:
            await promote(documents, manager.store.cipher, ring, "somebody", "good")
        for stream in nodes.values():
            await stream.revision(3)
            assert b"/bad" in body(stream.follower.snapshot)
            assert b"/old" not in body(stream.follower.snapshot)


async def test_a_dp_manager_that_restarts_in_the_middle_of_a_ring_brings_every_node_its_own_variant(
    manager: DpManager,
) -> None:
    await manager.put("default", service("s"), route("old", "s"))
    await start(manager.store, "a")
    async with manager.store.transaction() as connection:
        (keys,) = await fleets.snapshot_keys(connection, manager.store.cipher, "default")
    async with fleet_of(manager, "a", "b") as nodes:
        for stream in nodes.values():
            await stream.revision(2)
            stream.brought.clear()
        await manager.stop()
        await until(lambda: all(stream.follower.problem for stream in nodes.values()))
        await manager.start()
        await manager.put("default", consumer("late"))
        for name, stream in nodes.items():
            seal = await stream.revision(3)
            sealed.verify(seal, stream.follower.snapshot, {keys.key_id: keys.verification})
            assert set(stream.brought) == {CONSUMER, SEAL}
            assert (b"/bad" in body(stream.follower.snapshot)) == (name == "a")


async def test_the_leader_rolls_a_ring_back_by_its_rule_and_says_so_everywhere(
    store: Store, dsn: str, tmp_path: Path
) -> None:
    async with dp_manager(store, dsn, MASTER_KEY, tmp_path) as manager:
        await manager.put("default", service("s"), route("old", "s"))
        rule = Rule("5xx_ratio", 0.02, window_seconds=60, min_requests=10)
        ring = await start(store, "a", rule=rule)
        for requests, errors in ((0, 0), (100, 1), (150, 51)):
            async with store.transaction() as connection:
                tally = Tally(ring.id, 1, {"s": Counted(requests, errors, ((5.0, requests), (math.inf, requests)))})
                foreign = rings.sample_row("another group", "a", Tally(ring.id, 1, {"s": Counted(10**6, 10**6)}))
                await rings.note_samples(connection, [foreign])
                await rings.note_samples(connection, [rings.sample_row("default", "a", tally)])
        async with asyncio.timeout(60):
            while (await _find(store, ring)).state == "running":  # noqa: ASYNC110  (another process is polled)
                await asyncio.sleep(0.05)
        async with store.reading() as connection:
            ended = await rings.find(connection, ring.id)
            assert (ended.state, ended.ended_by) == ("rolled_back", "gatefleet")
            assert (
                ended.reason == "51 of 150 requests were answered with 5xx in 60 s: 34.00%, limit 2.00%, over the limit"
            )
            row = (await connection.execute(select(revision_log).order_by(revision_log.c.revision.desc()))).first()
            assert row
            assert (row.revision, row.action, row.note) == (3, "ring-rollback", ended.reason)
            noted = (await connection.execute(select(audit_log).where(audit_log.c.source == "system"))).one()
            assert (noted.event_type, noted.resource_id) == ("RollbackRing", ring.id)
            deeds = (await connection.execute(select(publication_history).order_by(publication_history.c.id))).all()
            assert [(deed.action, deed.revision) for deed in deeds] == [("ring-start", 2), ("ring-rollback", 3)]


async def _find(store: Store, ring: Ring) -> Ring:
    async with store.reading() as connection:
        return await rings.find(connection, ring.id)


async def test_one_leads_and_another_takes_over_when_it_is_gone(store: Store, dsn: str) -> None:
    leading: set[str] = set()

    async def work(name: str) -> None:
        leading.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            leading.discard(name)

    tasks = {name: asyncio.create_task(lead(dsn, lambda n=name: work(n))) for name in ("one", "two", "three")}
    try:
        await until(lambda: leading)
        for _ in range(2):
            assert len(leading) == 1
            (first,) = leading
            await _cut(store)  # its connection is lost: it stops at once
            await until(lambda f=first: f not in leading)
            await until(lambda: leading)
        (last,) = leading
        tasks.pop(last).cancel()
        await until(lambda: leading - {last})
        await asyncio.sleep(1.5)
        assert len(leading) == 1
    finally:
        for task in tasks.values():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _cut(store: Store) -> None:
    async with store.transaction() as connection:
        await connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_locks join pg_database on pg_database.oid = database "
                "where locktype = 'advisory' and granted and datname = current_database()"
            )
        )
