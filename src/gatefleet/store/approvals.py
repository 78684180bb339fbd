"""Approvals: which gateway groups take which operations only with somebody else's consent, and what waits for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy import ColumnElement, Row, ScalarSelect, and_, delete, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.errors import Conflict
from gatefleet.store.crypto import Cipher
from gatefleet.store.events import record_event
from gatefleet.store.release_tables import approval, approval_rule
from gatefleet.store.tables import gateway_group

if TYPE_CHECKING:
    from gatefleet.store.store import Author

A: Final = approval.c
R: Final = approval_rule.c


@dataclass(frozen=True, slots=True)
class Rule:
    """Gateway groups that carry all of `labels` take `operations` only after an approval, asked for in this time."""

    id: str
    name: str
    labels: Mapping[str, str]
    operations: Sequence[str]
    expires_after: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for: an operation, the groups and services it is about, and the order in full."""

    operation: str
    group_ids: Sequence[str]
    services: Sequence[str]
    order: Mapping[str, Any] = field(repr=False)
    note: str
    requested_by: str
    requested_by_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Request):
    """A request and what became of it: pending, approved, rejected or expired."""

    id: str
    rule_id: str | None
    state: str
    decided_by: str | None
    decision_note: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None


async def needed(connection: AsyncConnection, operation: str, group_ids: Sequence[str]) -> Rule | None:
    """The rule that demands an approval of this operation in one of these groups; the first by name."""
    covers = gateway_group.c.labels.contains(R.labels) & gateway_group.c.id.in_(list(group_ids))
    covered = select(gateway_group.c.id).where(covers).exists()
    statement = select(approval_rule).where(R.operations.has_key(operation), covered).order_by(R.name).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return _rule(row) if row else None


def demanding(operation: str) -> ScalarSelect[str]:
    """Beside columns of gateway_group: the name of a rule that demands an approval of this operation, or null."""
    covers = and_(R.operations.has_key(operation), gateway_group.c.labels.contains(R.labels))
    return select(R.name).where(covers).order_by(R.name).limit(1).correlate(gateway_group).scalar_subquery()


async def rules(connection: AsyncConnection) -> Sequence[Rule]:
    """Every rule, by name."""
    return [_rule(row) for row in await connection.execute(select(approval_rule).order_by(R.name))]


async def rule(connection: AsyncConnection, rule_id: str) -> Rule | None:
    row = (await connection.execute(select(approval_rule).where(R.id == rule_id))).one_or_none()
    return _rule(row) if row else None


async def put_rule(connection: AsyncConnection, rule_id: str, values: Mapping[str, Any]) -> Rule:
    """Create or replace a rule; Conflict if another one has its name."""
    taken = select(R.id).where(R.name == values["name"], R.id != rule_id)
    if (await connection.execute(taken)).first():
        raise Conflict(f"an approval rule named [{values['name']}] already exists")
    fresh = {**values, "updated_at": func.clock_timestamp()}
    statement = upsert(approval_rule).values(id=rule_id, **values)
    put = statement.on_conflict_do_update(index_elements=[R.id], set_=fresh).returning(approval_rule)
    return _rule((await connection.execute(put)).one())


async def delete_rule(connection: AsyncConnection, rule_id: str) -> None:
    """What already waits for an approval goes on waiting."""
    await connection.execute(delete(approval_rule).where(R.id == rule_id))


async def ask(connection: AsyncConnection, cipher: Cipher, rule: Rule, request: Request, now: datetime) -> Approval:
    """Keep a request until somebody else decides, or the rule's time is over."""
    approval_id = str(uuid4())
    row = {
        "id": approval_id,
        "rule_id": rule.id,
        "state": "pending",
        "operation": request.operation,
        "group_ids": list(request.group_ids),
        "services": list(request.services),
        "sealed_order": cipher.seal(msgspec.json.encode(request.order).decode(), _place(approval_id)),
        "note": request.note,
        "requested_by": request.requested_by,
        "requested_by_id": request.requested_by_id,
        "created_at": now,
        "expires_at": now + timedelta(seconds=rule.expires_after),
    }
    made = await connection.execute(insert(approval).values(row).returning(approval))
    return _approval(cipher, made.one(), now)


async def find(
    connection: AsyncConnection, cipher: Cipher, approval_id: str, now: datetime, *, lock: bool = False
) -> Approval | None:
    """One request as it stands now; with `lock`, nobody else decides it until this transaction ends."""
    statement = select(approval).where(A.id == approval_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return _approval(cipher, row, now) if row else None


async def page(
    connection: AsyncConnection, cipher: Cipher, now: datetime, state: str | None, page: int, page_size: int | None
) -> tuple[Sequence[Approval], int]:
    """Requests in a state, or all; newest first; and how many there are on all pages."""
    condition = _in_state(state, now)
    statement = select(approval).where(condition).order_by(A.created_at.desc(), A.id)
    if page_size is not None:
        statement = statement.limit(page_size).offset((page - 1) * page_size)
    total = (await connection.execute(select(func.count()).select_from(approval).where(condition))).scalar_one()
    return [_approval(cipher, row, now) for row in await connection.execute(statement)], total


async def decide(connection: AsyncConnection, approval_id: str, state: str, who: str, note: str, now: datetime) -> None:
    """Write down what became of a request."""
    values = {"state": state, "decided_by": who, "decision_note": note, "decided_at": now}
    await connection.execute(update(approval).where(A.id == approval_id).values(values))


async def expire(connection: AsyncConnection, approval_id: str) -> None:
    """Write down that nobody decided in time."""
    late = and_(A.id == approval_id, A.state == "pending")
    await connection.execute(update(approval).where(late).values(state="expired", decided_at=A.expires_at))


async def expire_overdue(connection: AsyncConnection, author: "Author") -> int:
    """Write down, and into the audit log, every request that nobody decided in time; how many there were."""
    late = and_(A.state == "pending", A.expires_at <= func.now())
    over = update(approval).where(late).values(state="expired", decided_at=A.expires_at)
    rows = (await connection.execute(over.returning(A.id, A.group_ids))).all()
    for row in rows:
        for group_id in row.group_ids:
            await record_event(connection, author, "ExpireApproval", group_id, "approvals", row.id)
    return len(rows)


def _in_state(state: str | None, now: datetime) -> ColumnElement[bool]:
    over = and_(A.state == "pending", A.expires_at <= now)
    match state:
        case None:
            return true()
        case "pending":
            return and_(A.state == "pending", A.expires_at > now)
        case "expired":
            return (A.state == "expired") | over
        case _:
            return A.state == state


def _rule(row: Row[Any]) -> Rule:
    return Rule(row.id, row.name, row.labels, row.operations, row.expires_after, row.created_at, row.updated_at)


def _approval(cipher: Cipher, row: Row[Any], now: datetime) -> Approval:
    """A request that nobody decided in time has expired, whether that was written down or not."""
    return Approval(
        operation=row.operation,
        group_ids=row.group_ids,
        services=row.services,
        order=msgspec.json.decode(cipher.open(row.sealed_order, _place(row.id))),
        note=row.note,
        requested_by=row.requested_by,
        requested_by_id=row.requested_by_id,
        id=row.id,
        rule_id=row.rule_id,
        state="expired" if row.state == "pending" and row.expires_at <= now else row.state,
        decided_by=row.decided_by,
        decision_note=row.decision_note,
        created_at=row.created_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
    )


def _place(approval_id: str) -> str:
    return f"approval/{approval_id}"
