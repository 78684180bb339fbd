"""What nodes have served, on record: sums over any split are the total, and nothing counts twice."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from gatefleet import figures
from gatefleet.dpm import telemetry as dpm
from gatefleet.dpm.telemetry import Intake
from gatefleet.figures import FIELDS, Figures
from gatefleet.fleet import Entry, Line, TrafficReport
from gatefleet.pki import Identity
from gatefleet.store import Store, telemetry
from gatefleet.store.telemetry import FINE, MINUTE, OTHERS, Ask, EntryAsk, Resolution

pytestmark = pytest.mark.anyio
DIMENSIONS = ("route", "consumer", "instance")
SPLITS = ((), ("group_id",), ("service_id",), ("group_id", "name"), ("group_id", "service_id", "name"))


@asynccontextmanager
async def taking(store: Store) -> AsyncGenerator[Intake]:
    intake = Intake(store)
    running = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def some(dice: random.Random) -> Figures:
    return tuple(dice.randrange(1000) for _ in FIELDS)


def report(dice: random.Random, seq: int = 1, ago: float = 0, seconds: float = 15) -> TrafficReport:
    """What a node may say: the same figures in both dimensions, cut in different ways."""
    parts = [
        (dice.choice("abc"), dice.choice(("r1", "r2", "")), dice.choice(("jack", "")), some(dice)) for _ in "12345"
    ]
    lines = [Line("route", service, route, one) for service, route, _, one in parts]
    lines += [Line("consumer", service, consumer, one) for service, _, consumer, one in parts]
    return TrafficReport("1.2", seq, began=ago + seconds, ended=ago, lines=tuple(lines))


def served(reports: Sequence[TrafficReport]) -> Figures:
    return figures.total(line.figures for each in reports for line in each.lines if line.dimension == "route")


async def sums(
    store: Store, resolution: Resolution = FINE, dimension: str = "route", *by: str
) -> Mapping[object, Figures]:
    now = int(time.time())
    ask = Ask(resolution, now - int(resolution.kept.total_seconds()), now + 60, dimension)  # type: ignore[arg-type]
    async with store.moment() as connection:
        return await telemetry.sums(connection, ask, by)


async def test_sums_over_any_split_are_the_total(store: Store) -> None:
    dice, said = random.Random(5), list[TrafficReport]()
    async with taking(store) as intake:
        for seq in (1, 2, 3):
            reports = {f"{group}-{name}": report(dice, seq, ago=20 * seq) for group in "gh" for name in "xyz"}
            said += reports.values()
            taken = [intake.take(Identity(who[0], who), each) for who, each in reports.items()]
            assert all(await asyncio.gather(*taken))
    expected = served(said)
    for resolution in (FINE, MINUTE):
        for dimension in DIMENSIONS:
            for by in SPLITS:
                assert figures.total((await sums(store, resolution, dimension, *by)).values()) == expected
    by_instance = await sums(store, FINE, "instance", "name")
    assert {name for (name,) in by_instance} == {f"{group}-{name}" for group in "gh" for name in "xyz"}


async def test_what_is_told_again_is_not_counted_again(store: Store) -> None:
    dice, who = random.Random(6), Identity("default", "a")
    first, second = report(dice, 1), report(dice, 2)
    async with taking(store) as intake:
        assert all(await asyncio.gather(*(intake.take(who, first) for _ in range(3))))
        assert await intake.take(who, first)
    async with taking(store) as restarted:  # a DP Manager that knows nothing of the other
        for each in (first, second, second, first):
            assert await restarted.take(who, each)
    assert (await sums(store))[()] == served([first, second])


async def test_what_came_together_while_the_dp_manager_was_away_is_spread_over_that_time(store: Store) -> None:
    said = report(random.Random(7), seconds=1800)
    async with taking(store) as intake:
        assert await intake.take(Identity("default", "a"), said)
    now = int(time.time())
    for resolution in (FINE, MINUTE):
        async with store.moment() as connection:
            ask = Ask(resolution, now - 7200, now + 60)
            steps = (await telemetry.series(connection, ask, 300))[()]
        assert figures.total(steps.values()) == served([said])
        assert 6 <= len(steps) <= 7


async def test_a_group_has_so_many_names_and_the_others_are_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpm, "MOST_NAMES", 3)
    lines = [Line("route", "s", f"r{number}", (1,) * len(FIELDS)) for number in range(10)]
    async with taking(store) as intake:
        assert await intake.take(Identity("default", "a"), TrafficReport("1.2", 1, 15, 0, tuple(lines)))
    found = await sums(store, FINE, "route", "name")
    assert {name: one[0] for (name,), one in found.items()} == {"r0": 1, "r1": 1, "r2": 1, OTHERS: 7}  # type: ignore[misc]


async def test_of_single_requests_a_few_of_each_node_are_kept(store: Store) -> None:
    def entry(number: int, status: int) -> Entry:
        texts = ("s", f"r{number}", "jack", "GET", "a.test", "/", "10.0.0.1:80", "via_upstream")
        return Entry(number / 10, status, 1500, 1, 2, *texts)

    entries = tuple(entry(number, 503 if number % 2 else 200) for number in range(200))
    async with taking(store) as intake:
        for name in "abc":
            line = Line("route", "s", "r", (1,) * len(FIELDS))
            assert await intake.take(Identity("default", name), TrafficReport("1.2", 1, 15, 0, (line,), entries))
    now = int(time.time())
    async with store.moment() as connection:
        rows, count = await telemetry.entries(connection, EntryAsk("default", now - 60, now + 1), 1, 500)
        failed, _ = await telemetry.entries(
            connection, EntryAsk("default", now - 60, now + 1, low=500, high=599), 1, 500
        )
    assert len(rows) == count == 60 + 30 + 20
    assert len(failed) == 30 + 15 + 10
    assert rows == sorted(rows, key=lambda row: row["at"], reverse=True)


async def test_partitions_are_emptied_before_their_next_turn(store: Store) -> None:
    now = 1_800_000_000.0
    async with store.transaction() as connection:
        for hours in range(40):
            at = int(now - hours * 3600)
            for resolution in (FINE, MINUTE):
                if hours <= (len(await parts(store, resolution)) - 1) * resolution.turn / 3600:
                    await telemetry.add(connection, resolution, {(at, "g", "route", "s", "r"): (1,) * len(FIELDS)})
        await telemetry.forget(connection, now)
    for resolution in (FINE, MINUTE):
        async with store.reading() as connection:
            rows = await connection.execute(text(f"select at from {resolution.table.name}"))  # noqa: S608
            oldest = max(now - at.timestamp() for at in rows.scalars())
        kept = resolution.kept.total_seconds()
        assert kept - 3600 <= oldest <= kept + resolution.turn


async def parts(store: Store, resolution: Resolution) -> Sequence[str]:
    async with store.reading() as connection:
        named = text("select inhrelid::regclass::text from pg_inherits where inhparent = cast(:name as regclass)")
        return list((await connection.execute(named, {"name": resolution.table.name})).scalars())
