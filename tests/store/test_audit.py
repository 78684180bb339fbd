"""The audit log's seals: whatever is done to a row behind our back is found."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from gatefleet.store import Store, audit
from gatefleet.store.tables import audit_log

pytestmark = pytest.mark.anyio
ROW = {
    "request_id": "r", "event_type": "UpdateService", "operator": "admin", "source": "api", "method": "PUT",
    "path": "/x", "status": 200, "request": {"b": 1, "a": [1.5, "ü", None]},
}  # fmt: skip

INSERT = """
insert into audit_log (at, request_id, event_type, operator, source, method, path, status)
values ({when}, 'r', 'e', 'x', 'api', 'PUT', '/', 200)
"""


async def write(store: Store, *operators: str) -> None:
    for operator in operators:
        async with store.transaction() as connection:
            await connection.execute(insert(audit_log).values({**ROW, "operator": operator}))


async def seal(store: Store) -> int:
    async with store.transaction() as connection:
        return await audit.seal(connection)


async def verify(store: Store, pinned: dict[int, str] | None = None) -> audit.Report:
    async with store.transaction() as connection:
        return await audit.verify(connection, pinned)


async def behind_our_back(store: Store, *statements: str) -> None:
    """As somebody who owns the database can do."""
    async with store.transaction() as connection:
        for statement in ("set local session_replication_role = replica", *statements):
            await connection.execute(text(statement))


async def sealed(store: Store) -> audit.Report:
    """Three segments of three rows."""
    for names in (("a", "b", "c"), ("d", "e", "f"), ("g", "h", "i")):
        await write(store, *names)
        assert await seal(store) == 3
    report = await verify(store)
    assert (report.segments, report.rows, report.unsealed, report.problems) == (3, 9, 0, [])
    return report


async def test_what_an_older_version_sealed_without_the_answers_is_verified_as_it_was_sealed(store: Store) -> None:
    answered = {**ROW, "response": {"id": "s"}}
    async with store.transaction() as connection:
        await connection.execute(insert(audit_log).values(answered))
    assert await seal(store) == 1
    assert (await verify(store)).problems == []
    await behind_our_back(store, "update audit_log set response = null")
    assert len((await verify(store)).problems) == 1
    async with store.transaction() as connection:
        (row,) = (await connection.execute(select(audit_log))).all()
    known = audit.SEALED[:18]
    line = msgspec.json.encode([getattr(row, name) for name in known], order="sorted") + b"\n"
    older = hashlib.sha256(b"gatefleet-audit-1:" + line).hexdigest()
    await behind_our_back(store, f"update audit_seal set columns = default, hash = decode('{older}', 'hex')")  # noqa: S608
    await behind_our_back(store, """update audit_log set response = '{"id": "s"}'""")
    assert (await verify(store)).problems == []


async def test_rows_are_sealed_once_and_those_that_wait_are_no_problem(store: Store) -> None:
    assert await seal(store) == 0
    await sealed(store)
    assert await seal(store) == 0
    await write(store, "waiting")
    report = await verify(store)
    assert (report.unsealed, report.problems) == (1, [])


async def test_a_row_that_commits_late_is_sealed_all_the_same(store: Store) -> None:
    async with store.transaction() as slow:
        await slow.execute(insert(audit_log).values({**ROW, "operator": "slow"}))
        await write(store, "quick")
        assert await seal(store) == 1
    assert await seal(store) == 1
    assert (await verify(store)).problems == []


async def test_two_who_seal_at_once_do_not_spoil_it(store: Store) -> None:
    await write(store, *map(str, range(20)))
    assert sorted(await asyncio.gather(seal(store), seal(store), seal(store))) == [0, 0, 20]
    assert (await verify(store)).problems == []


@pytest.mark.parametrize(
    "tampering",
    [
        ["update audit_log set operator = 'nobody' where operator = 'e'"],
        ["update audit_log set request = '{}' where operator = 'e'"],
        ["update audit_log set at = at - interval '1 second' where operator = 'e'"],
        ["delete from audit_log where operator = 'e'"],
        ["delete from audit_log where operator = 'e'", "delete from audit_sealed where audit_id = 5"],
        ["update audit_log set operator = case operator when 'd' then 'e' else 'd' end where operator in ('d', 'e')"],
        [
            INSERT.format(when="now()"),
            "insert into audit_sealed (audit_id, segment) select max(id), 2 from audit_log",
        ],
        ["delete from audit_seal where segment = 2"],
        ["update audit_seal set hash = (select hash from audit_seal where segment = 1) where segment = 2"],
        [INSERT.format(when="now() - interval '3 hours'")],
    ],
    ids=str,
)
async def test_what_is_changed_removed_reordered_or_slipped_in_is_found(store: Store, tampering: list[str]) -> None:
    await sealed(store)
    await behind_our_back(store, *tampering)
    assert (await verify(store)).problems


async def test_a_tail_cut_off_is_found_by_a_hash_kept_elsewhere(store: Store) -> None:
    number, head = (await sealed(store)).head
    await behind_our_back(
        store,
        "delete from audit_log where id in (select audit_id from audit_sealed where segment = 3)",
        "delete from audit_sealed where segment = 3",
        "delete from audit_seal where segment = 3",
    )
    assert (await verify(store)).problems == []
    assert (await verify(store, {number: head})).problems == ["segment 3 is gone; its hash was kept elsewhere"]


async def test_what_is_old_is_forgotten_in_whole_segments_and_the_rest_still_verifies(store: Store) -> None:
    report = await sealed(store)
    await behind_our_back(store, "update audit_seal set sealed_at = now() - interval '61 days' where segment = 1")
    async with store.transaction() as connection:
        assert await audit.forget(connection, datetime.now(UTC)) == 3
        assert await audit.forget(connection, datetime.now(UTC)) == 0
    again = await verify(store)
    assert (again.segments, again.rows, again.problems, again.head) == (3, 6, [], report.head)


@pytest.mark.parametrize("statement", ["delete from audit_log", "update audit_sealed set segment = 9"])
async def test_nobody_changes_rows_by_mistake(store: Store, statement: str) -> None:
    await sealed(store)
    with pytest.raises(DBAPIError, match="append-only"):
        async with store.transaction() as connection:
            await connection.execute(text(statement))


async def test_filters_meet_each_other(store: Store) -> None:
    await write(store, "a", "b")
    now = datetime.now(UTC)
    async with store.transaction() as connection:
        wanted: dict[str, Any] = {"event_type": "UpdateService", "since": now - timedelta(minutes=1)}
        rows, total = await audit.page(connection, audit.Wanted(**wanted), 1, 1)
        assert ([row.operator for row in rows], total) == (["b"], 2)
        assert (await audit.page(connection, audit.Wanted(**wanted, group_id="x"), 1, None))[1] == 0
        assert (await audit.page(connection, audit.Wanted(until=now - timedelta(hours=1)), 1, None))[1] == 0
