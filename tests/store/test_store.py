"""The store: revisions, documents, secrets at rest, notices."""

import asyncio
import contextlib
import json
from typing import Any

import postgres as pg
import pytest
from sqlalchemy import text

from gatefleet.errors import Conflict, NotFound, Unreachable
from gatefleet.resources import Document
from gatefleet.store import Author, Query, Store, listen
from gatefleet.store.crypto import WrongKey, new_key
from gatefleet.store.lead import lead

AUTHOR = Author("tester", "r-1")
pytestmark = pytest.mark.anyio


def service(name: str, **more: Any) -> Document:
    return Document("services", name, None, {"name": name, **more})


def route(name: str, service_id: str) -> Document:
    return Document("routes", name, service_id, {"name": name, "service_id": service_id, "paths": ["/"]})


def credential(consumer: str, name: str, key: str) -> Document:
    return Document("credentials", name, consumer, {"name": name, "plugins": {"key-auth": {"key": key}}})


async def put(store: Store, *documents: Document) -> int:
    async with store.change("default", AUTHOR) as group:
        for document in documents:
            await group.put(document)
        return group.revision


async def test_ten_writers_lose_nothing_and_revisions_have_no_gaps(store: Store) -> None:
    async def writer(number: int) -> None:
        for turn in range(3):
            await put(store, service(f"s{number}-{turn}"))

    await asyncio.gather(*(writer(number) for number in range(10)))
    changes = await store.read_changes("default", 0)
    assert changes.revision == 30
    assert len(changes.upserts) == 30
    async with store.transaction() as connection:
        logged = await connection.execute(text("select revision from revision_log order by revision"))
        assert logged.scalars().all() == list(range(1, 31))


async def test_a_failed_change_leaves_no_trace(store: Store) -> None:
    async def failing() -> None:
        async with store.change("default", AUTHOR) as group:
            await group.put(service("s1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await failing()
    async with store.change("default", AUTHOR):
        pass
    assert (await store.read_changes("default", 0)).revision == 0


async def test_a_reader_gets_only_what_is_newer_and_the_tombstones(store: Store) -> None:
    await put(store, service("s1"), service("s2"), route("r1", "s1"))
    second = await put(store, service("s2", desc="new"))
    changes = await store.read_changes("default", 1)
    assert (changes.revision, changes.full) == (second, False)
    assert [document.id for document in changes.upserts] == ["s2"]
    async with store.change("default", AUTHOR) as group:
        gone = await group.delete("services", "s1")
        assert {(document.kind, document.id) for document in gone} == {("services", "s1"), ("routes", "r1")}
    changes = await store.read_changes("default", second)
    assert changes.deletes == (("routes", "r1"), ("services", "s1"))
    assert not changes.upserts
    await put(store, service("s1"))
    changes = await store.read_changes("default", second)
    assert changes.deletes == (("routes", "r1"),)
    assert [document.id for document in changes.upserts] == ["s1"]


async def test_a_revision_from_the_future_reads_everything(store: Store) -> None:
    await put(store, service("s1"))
    changes = await store.read_changes("default", 77)
    assert changes.full
    assert [document.id for document in changes.upserts] == ["s1"]


async def test_an_unknown_group_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match=r"gateway group \[nope\] not found"):
        await store.read_changes("nope", 0)
    with pytest.raises(NotFound):
        async with store.change("nope", AUTHOR):
            pass


async def test_two_writes_in_one_transaction_still_have_an_order(store: Store) -> None:
    await put(store, service("a"), service("b"), service("c"))
    await put(store, service("a"))
    async with store.read("default") as group:
        newest, total = await group.list("services")
        oldest, _ = await group.list("services", Query(order_by="created_at", descending=False))
        page, of = await group.list("services", Query(page=2, page_size=2))
    assert [stored.document.id for stored in newest] == ["a", "c", "b"]
    assert [stored.document.id for stored in oldest] == ["a", "b", "c"]
    assert [stored.document.id for stored in page] == ["b"]
    assert total == of == 3


async def test_lists_are_filtered(store: Store) -> None:
    await put(
        store,
        service("one", labels={"team": "a", "k8s/kind": "x"}, desc="100% percent"),
        service("two", labels={"team": "b"}),
        route("r1", "one"),
        route("r2", "two"),
    )

    async def ids(kind: str, **query: Any) -> set[str]:
        async with store.read("default") as group:
            return {stored.document.id for stored in (await group.list(kind, Query(**query)))[0]}

    assert await ids("services", labels={"team": "a", "k8s/kind": "x"}) == {"one"}
    assert await ids("services", labels={"team": None}) == {"one", "two"}
    assert await ids("services", search="TW") == {"two"}
    assert await ids("services", search="0% p") == {"one"}
    assert await ids("services", search="_") == set()
    assert await ids("services", name="one") == {"one"}
    assert await ids("routes", parent="two") == {"r2"}


async def test_secrets_are_ciphertext_at_rest_and_bound_to_their_place(store: Store) -> None:
    consumer = Document("consumers", "jack", None, {"username": "jack"})
    await put(store, consumer, credential("jack", "c1", "hush-hush"), credential("jack", "c2", "other"))
    async with store.transaction() as connection:
        rows = (await connection.execute(text("select key, body::text from resource where kind = 'credentials'"))).all()
        claims = (await connection.execute(text("select token from claim"))).scalars().all()
    assert "hush-hush" not in json.dumps([[row.key, row.body] for row in rows]) + "".join(claims)
    async with store.read("default") as group:
        found = await group.get("credentials", "jack/c1")
    assert found
    assert found.document.body["plugins"] == {"key-auth": {"key": "hush-hush"}}
    async with store.transaction() as connection:
        await connection.execute(
            text(
                "update resource a set body = b.body from resource b "
                "where a.key = 'jack/c1' and b.key = 'jack/c2' and a.kind = 'credentials' and b.kind = 'credentials'"
            )
        )
    with pytest.raises(WrongKey):
        await store.read_changes("default", 0)


@pytest.mark.usefixtures("store")
async def test_another_master_key_is_refused_with_a_sentence(dsn: str) -> None:
    with pytest.raises(WrongKey, match="does not fit this database"):
        await Store.open(dsn, new_key())


async def test_no_two_consumers_share_a_key_and_no_two_certificates_a_server_name(store: Store) -> None:
    await put(store, *(Document("consumers", name, None, {"username": name}) for name in ("jack", "jill")))
    await put(store, credential("jack", "c1", "same"))
    with pytest.raises(Conflict, match=r"this key-auth credential is already used by consumer_credential \[jack/c1\]"):
        await put(store, credential("jill", "c1", "same"))
    pair = {"cert": "c" * 200, "key": "k" * 200}
    await put(store, Document("ssls", "one", None, {"snis": ["A.com", "b.com"], **pair}))
    with pytest.raises(Conflict, match=r"server name \[a.com\] is already used by ssl \[one\]"):
        await put(store, Document("ssls", "two", None, {"snis": ["a.com"], **pair}))
    await put(store, Document("ssls", "one", None, {"snis": ["b.com"], **pair}))
    await put(store, Document("ssls", "two", None, {"snis": ["a.com"], **pair}))
    async with store.change("default", AUTHOR) as group:
        await group.delete("consumers", "jack")
    await put(store, credential("jill", "c1", "same"))


async def test_audit_rows_cannot_be_changed(store: Store) -> None:
    row = "insert into audit_log (request_id, event_type, operator, source, method, path, status)"
    async with store.transaction() as connection:
        await connection.execute(text(f"{row} values ('r', 'e', 'o', 'api', 'GET', '/', 200)"))
    for statement in ("update audit_log set status = 500", "delete from audit_log"):
        with pytest.raises(Exception, match="append-only"):
            async with store.transaction() as connection:
                await connection.execute(text(statement))


async def test_a_listener_hears_of_commits_and_comes_back_when_its_connection_is_killed(dsn: str, store: Store) -> None:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    task = asyncio.create_task(listen(dsn, heard.put_nowait))
    async with asyncio.timeout(60):
        assert await heard.get() is None
        await put(store, service("s1"))
        assert await heard.get() == "default"
        async with store.transaction() as connection:
            await connection.execute(
                text("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'")
            )
        assert await heard.get() is None
        await put(store, service("s2"))
        assert await heard.get() == "default"
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_connections_that_postgresql_closed_are_replaced_without_an_error(
    postgres: pg.Server, dsn: str, store: Store
) -> None:
    await asyncio.gather(*(store.revisions() for _ in range(4)))
    for _ in range(2):
        postgres.cut(dsn)
        await asyncio.sleep(0.1)
        await put(store, service("s"))
        assert await store.revisions()


async def test_a_connection_lost_in_the_middle_is_unreachable_and_the_next_change_works(
    postgres: pg.Server, dsn: str, store: Store
) -> None:
    async def cut_off() -> None:
        async with store.change("default", AUTHOR) as group:
            postgres.cut(dsn)
            await group.put(service("s"))

    with pytest.raises(Unreachable):
        await cut_off()
    assert await put(store, service("s")) == 1


async def test_what_takes_too_long_is_ended_by_postgresql_and_is_unreachable(store: Store) -> None:
    async with store.transaction() as connection:
        limits = [
            (await connection.execute(text(f"show {name}_timeout"))).scalar_one() for name in ("statement", "lock")
        ]
    assert limits == ["30s", "15s"]

    async def slow() -> None:
        async with store.transaction() as connection:
            await connection.execute(text("set local statement_timeout = '50ms'"))
            await connection.execute(text("select pg_sleep(10)"))

    with pytest.raises(Unreachable):
        await slow()


async def test_listening_and_leading_go_on_after_errors_that_nobody_expects(dsn: str) -> None:
    woken, led = Second(), Second()

    async def work() -> None:
        led.come()
        await asyncio.sleep(3600)

    tasks = [asyncio.create_task(listen(dsn, lambda _: woken.come())), asyncio.create_task(lead(dsn, work))]
    async with asyncio.timeout(30):
        await woken.there.wait()
        await led.there.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Second:
    """Fails when it comes first; `there` once it comes again."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.came = False

    def come(self) -> None:
        if self.came:
            self.there.set()
            return
        self.came = True
        raise RuntimeError("nobody expects this")
