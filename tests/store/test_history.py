"""History: what a group held at every revision, whatever was written, deleted and written again since."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text, update

from gatefleet.admin.whole import plan as way
from gatefleet.errors import NotFound
from gatefleet.resources import Document
from gatefleet.store import Author, Store
from gatefleet.store.revisions import forget, revision, revisions
from gatefleet.store.tables import gateway_group, revision_log

pytestmark = pytest.mark.anyio
AUTHOR: Final = Author("tester", "r-1")
OWNED: Final = {"services": ("routes", "upstreams"), "consumers": ("credentials",)}
State = dict[tuple[str, str], Document]


def document(kind: str, name: str, owner: str, text: str) -> Document:
    """A document that `text` tells from other forms of it."""
    bodies: dict[str, dict[str, Any]] = {
        "services": {"name": text},
        "routes": {"name": text, "service_id": owner, "paths": ["/"]},
        "upstreams": {"name": text},
        "consumers": {"username": name, "desc": text},
        "credentials": {"desc": text, "plugins": {"key-auth": {"key": f"{owner}-{name}-{text}"}}},
    }
    return Document(kind, name, None if kind in OWNED else owner, bodies[kind])


names = st.sampled_from(["a", "b"])
writes = st.tuples(
    st.sampled_from(["put", "put", "delete"]),
    st.sampled_from(["services", "routes", "upstreams", "consumers", "credentials"]),
    names,
    names,
    st.sampled_from(["one", "two"]),
)
plans = st.lists(st.lists(writes, min_size=1, max_size=5), min_size=1, max_size=8)


def apply(state: State, what: str, wanted: Document) -> State:
    """The model: a group is a dictionary, and a delete takes what is owned with it."""
    if what == "put":
        return {**state, (wanted.kind, wanted.key): wanted}
    if (wanted.kind, wanted.key) not in state:
        return state
    owned = OWNED.get(wanted.kind, ())
    return {
        name: held
        for name, held in state.items()
        if name != (wanted.kind, wanted.key) and not (held.kind in owned and held.parent == wanted.id)
    }


async def new_group(store: Store) -> str:
    name = str(uuid4())
    async with store.transaction() as connection:
        await connection.execute(insert(gateway_group).values(id=name, name=name, type="api7_gateway"))
    return name


async def run(store: Store, group_id: str, plan: list[list[Any]]) -> list[State]:
    """The model's state at every revision, having done the plan."""
    states: list[State] = [{}]
    for step in plan:
        state = states[-1]
        async with store.change(group_id, AUTHOR) as group:
            for what, kind, name, owner, text_ in step:
                wanted = document(kind, name, owner, text_)
                if what == "put":
                    await group.put(wanted)
                else:
                    await group.delete(wanted.kind, wanted.key)
                state = apply(state, what, wanted)
            touched = group.touched
        if touched:
            states.append(state)
    return states


async def held(store: Store, group_id: str, number: int) -> State:
    return {(found.kind, found.key): found for found in await store.read_at(group_id, number)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(plan=[[("put", "credentials", "b", "a", "one")], [("put", "consumers", "a", "a", "one")]], keep=4, back=1)
@given(plan=plans, keep=st.integers(1, 4), back=st.integers(0, 7))
async def test_every_kept_revision_reads_as_it_was_and_can_be_gone_back_to(
    store: Store, plan: list[list[Any]], keep: int, back: int
) -> None:
    group_id = await new_group(store)
    states = await run(store, group_id, plan)
    for number, state in enumerate(states):
        assert await held(store, group_id, number) == state
    assert {(d.kind, d.key) for d in (await store.read_changes(group_id, 0)).upserts} == set(states[-1])

    now = datetime.now(UTC) + timedelta(days=1)
    async with store.transaction() as connection:
        first = await forget(connection, group_id, now, keep_days=0, keep_count=keep)
        rows = "select count(*) from resource_history where group_id = :group and revision <= :first"
        left = (await connection.execute(text(rows), {"group": group_id, "first": first})).scalar_one()
    assert first == max(len(states) - keep, 0)
    assert left == len(states[first])
    for number in range(first, len(states)):
        assert await held(store, group_id, number) == states[number]
    if first:
        with pytest.raises(NotFound, match="is not kept"):
            await store.read_at(group_id, first - 1)

    goal = states[max(first, min(back, len(states) - 1))]
    outcome = way(states[-1].values(), goal.values()).outcome
    async with store.change(group_id, AUTHOR) as group:
        await group.delete_all(outcome.deletes)
        await group.put_all(outcome.upserts)
        number = group.revision if group.touched else group.revision - 1
    assert await held(store, group_id, number) == goal
    async with store.read(group_id) as group:
        assert {(found.kind, found.key): found for found in await group.everything()} == goal


async def test_a_reader_from_before_what_is_kept_reads_everything(store: Store) -> None:
    await run(store, "default", [[("put", "services", name, "", "one")] for name in ("a", "b")])
    await run(store, "default", [[("delete", "services", "a", "", "")], [("put", "consumers", "a", "", "x")]])
    async with store.transaction() as connection:
        assert await forget(connection, "default", datetime.now(UTC) + timedelta(days=1), 0, 1) == 4
    changes = await store.read_changes("default", 2)
    assert changes.full
    assert {document.key for document in changes.upserts} == {"a", "b"}


async def test_what_was_in_force_within_the_days_to_keep_is_kept(store: Store) -> None:
    await run(store, "default", [[("put", "services", "a", "", word)] for word in ("1", "2", "3", "4")])
    now = datetime.now(UTC)
    async with store.transaction() as connection:
        for number, days in ((1, 100), (2, 95), (3, 10)):
            moment = update(revision_log).where(revision_log.c.revision == number)
            await connection.execute(moment.values(at=now - timedelta(days=days)))
        assert await forget(connection, "default", now) == 0
        assert await forget(connection, "default", now, keep_days=90, keep_count=1) == 2
        assert await forget(connection, "default", now, keep_days=90, keep_count=1) == 2


async def test_the_log_says_who_did_what_and_why(store: Store) -> None:
    await run(store, "default", [[("put", "services", "s", "", "Orders"), ("put", "routes", "r", "s", "all")]])
    async with store.change("default", Author("jane", "r-2")) as group:
        group.action, group.note = "publish", "for the sale"
        await group.put(document("services", "s", "", "Orders 2"))
        await group.put(document("routes", "new", "s", "new"))
        await group.delete("routes", "new")
    await run(store, "default", [[("delete", "services", "s", "", "")]])
    async with store.reading() as connection:
        page, total = await revisions(connection, "default", page=1, page_size=2)
        second = await revision(connection, "default", 2)
        with pytest.raises(NotFound):
            await revision(connection, "default", 9)
    assert total == 3
    assert [(r.number, r.operator, r.action, r.note) for r in page] == [
        (3, "tester", "edit", ""),
        (2, "jane", "publish", "for the sale"),
    ]
    told = [[(t.kind, t.id, t.name, t.operation) for t in r.touched or ()] for r in page]
    assert told == [
        [("routes", "r", "all", "delete"), ("services", "s", "Orders 2", "delete")],
        [("services", "s", "Orders 2", "update")],
    ]
    assert second == page[1]


async def test_what_is_held_alone_changes_hands_within_one_write(store: Store) -> None:
    def credential(name: str, key: str) -> Document:
        return Document("credentials", name, "jack", {"plugins": {"key-auth": {"key": key}}})

    jack = Document("consumers", "jack", None, {"username": "jack"})
    for keys in (("x", "y"), ("y", "x")):
        async with store.change("default", AUTHOR) as group:
            await group.put_all([jack, credential("one", keys[0]), credential("two", keys[1])])
    found = {document.id: document.body for document in await store.read_at("default", 2)}
    assert found["one"]["plugins"] == {"key-auth": {"key": "y"}}
