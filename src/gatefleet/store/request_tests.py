"""Requests that somebody wants to see tried, on their way to a node and back; all of it is soon forgotten."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.fleet import RequestTest, Tested
from gatefleet.pki import Identity
from gatefleet.store.crypto import Cipher
from gatefleet.store.fleet_tables import request_test

ORDERED: Final = "gatefleet_request_test"
"""PostgreSQL's channel that tells that a request waits for a DP Manager to take it to its node."""
ANSWERED: Final = "gatefleet_request_tested"
"""The one that tells the id of a request whose answer is there."""
OFFERED: Final = timedelta(seconds=5)
"""How long after it was ordered a request may still be taken to its node."""
KEPT: Final = timedelta(minutes=1)
T: Final = request_test.c


@dataclass(frozen=True, slots=True)
class State:
    """How far a request has come."""

    taken: bool
    """It is on its way to the node."""
    answer: Tested | None


async def order(connection: AsyncConnection, cipher: Cipher, who: Identity, wanted: RequestTest) -> None:
    """Have a node make a request."""
    values = {"id": wanted.id, "group_id": who.group, "instance_id": who.instance}
    await forget(connection)
    await connection.execute(insert(request_test).values(**values, sealed_order=_sealed(cipher, wanted, "order")))
    await connection.execute(select(func.pg_notify(ORDERED, "")))


async def waiting(connection: AsyncConnection) -> Mapping[str, Identity]:
    """The requests that nobody has taken to their nodes: id to node."""
    fresh = T.taken_at.is_(None) & (T.created_at > func.now() - OFFERED)
    rows = await connection.execute(select(T.id, T.group_id, T.instance_id).where(fresh))
    return {row.id: Identity(row.group_id, row.instance_id) for row in rows}


async def take(
    connection: AsyncConnection, cipher: Cipher, ids: Collection[str]
) -> Sequence[tuple[Identity, RequestTest]]:
    """Take these to their nodes: those that nobody else has taken meanwhile."""
    mine = T.id.in_(list(ids)) & T.taken_at.is_(None)
    taken = update(request_test).where(mine).values(taken_at=func.now()).returning(request_test)
    return [
        (Identity(row.group_id, row.instance_id), _opened(cipher, row.sealed_order, RequestTest, row.id, "order"))
        for row in await connection.execute(taken)
    ]


async def record(connection: AsyncConnection, cipher: Cipher, who: Identity, said: Tested) -> None:
    """Take a node's word for what came of its request, the first time it says so."""
    mine = (T.id == said.id) & (T.group_id == who.group) & (T.instance_id == who.instance) & T.sealed_answer.is_(None)
    await connection.execute(update(request_test).where(mine).values(sealed_answer=_sealed(cipher, said, "answer")))
    await connection.execute(select(func.pg_notify(ANSWERED, said.id)))


async def look(connection: AsyncConnection, cipher: Cipher, test_id: str) -> State:
    """How far a request has come; one that is forgotten has not been taken."""
    row = (await connection.execute(select(request_test).where(T.id == test_id))).one_or_none()
    if row is None:
        return State(taken=False, answer=None)
    answer = _opened(cipher, row.sealed_answer, Tested, row.id, "answer") if row.sealed_answer else None
    return State(row.taken_at is not None, answer)


async def remove(connection: AsyncConnection, test_id: str) -> None:
    """Forget a request and its answer."""
    await connection.execute(delete(request_test).where(T.id == test_id))


async def forget(connection: AsyncConnection) -> None:
    """Forget what nobody waits for any more."""
    await connection.execute(delete(request_test).where(T.created_at < func.now() - KEPT))


def _sealed(cipher: Cipher, what: RequestTest | Tested, part: str) -> str:
    return cipher.seal(msgspec.json.encode(what).decode(), _place(what.id, part))


def _opened(cipher: Cipher, sealed: str, shape: type[Any], test_id: str, part: str) -> Any:
    return msgspec.json.decode(cipher.open(sealed, _place(test_id, part)), type=shape)


def _place(test_id: str, part: str) -> str:
    return f"request_test/{test_id}/{part}"
