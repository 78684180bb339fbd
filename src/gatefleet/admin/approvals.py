"""Four eyes: rules that demand somebody else's consent, the requests that wait for it, and what a consent sets off."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import caller_of, user_of
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.query import read_query
from gatefleet.admin.web import answer, control, listing, read_shape, unix, value
from gatefleet.errors import Conflict, Forbidden, GatefleetError, Invalid, NotFound
from gatefleet.store import Author, approvals
from gatefleet.store.approvals import Approval, Rule
from gatefleet.store.crypto import Cipher

OPERATIONS: Final = ("publish", "sync", "rollback", "unpublish", "apply", "restore", "ring")
"""What a rule can name."""
USUALLY: Final = ("publish", "sync", "apply", "restore", "ring")
STATES: Final = ("pending", "approved", "rejected", "expired")
RULES: Final = "/api/approval_rules"
DAY: Final = 86_400
MAX_SECONDS: Final = 366 * DAY
Kept = Mapping[str, Any]
"""An order as it was kept."""


@dataclass(frozen=True, slots=True)
class Executor:
    """How a kept order is told, and how it is carried out within the transaction that approves it."""

    preview: Callable[[AsyncConnection, Cipher, Kept], Awaitable[Mapping[str, Any]]]
    run: Callable[[AsyncConnection, Cipher, Kept, Author], Awaitable[Mapping[str, Any]]]


class WantedRule(msgspec.Struct):
    """The body of a rule."""

    name: str
    labels: dict[str, str] = {}
    operations: tuple[str, ...] = USUALLY
    expires_after: int = DAY

    def values(self) -> dict[str, Any]:
        """Columns and values; Invalid, naming the field, for what cannot be."""
        if not 1 <= len(self.name) <= 256:
            raise Invalid('Error at "/name": the string length must be from 1 to 256')
        for number, operation in enumerate(self.operations):
            if operation not in OPERATIONS:
                allowed = ", ".join(OPERATIONS)
                raise Invalid(f'Error at "/operations/{number}": value is not one of the allowed values: {allowed}')
        if not self.operations:
            raise Invalid('Error at "/operations": minimum number of items is 1')
        if not 1 <= self.expires_after <= MAX_SECONDS:
            raise Invalid(f'Error at "/expires_after": number must be from 1 to {MAX_SECONDS} seconds')
        return {**msgspec.structs.asdict(self), "operations": list(self.operations)}


class Decision(msgspec.Struct):
    """The body of an approval or a rejection."""

    note: str = ""


def router(executors: Mapping[str, Executor]) -> APIRouter:
    """Rules and requests; `executors` carries out what was asked for, by operation."""
    api = APIRouter(tags=["approvals"])
    one = openapi.one()
    add(api, "GET", RULES, _rules, system("ListApprovalRule"), answers=openapi.many(paged=False))
    add(api, "POST", RULES, _create_rule, system("CreateApprovalRule"), body=WantedRule, answers=one)
    add(api, "GET", f"{RULES}/{{id}}", _rule, system("GetApprovalRule"), answers=one)
    add(api, "PUT", f"{RULES}/{{id}}", _put_rule, system("UpdateApprovalRule"), body=WantedRule, answers=one)
    add(api, "DELETE", f"{RULES}/{{id}}", _delete_rule, system("DeleteApprovalRule"))
    state = openapi.parameter("state", {"enum": list(STATES)})
    add(api, "GET", "/api/approvals", _list, system("ListApprovals"), answers=openapi.many(), query=(state,))
    add(api, "GET", "/api/approvals/{id}", partial(_get, executors), system("GetApproval"), answers=one)
    approve, reject = partial(_approve, executors), _reject
    add(api, "POST", "/api/approvals/{id}/approve", approve, system("DecideApproval"), body=Decision, answers=one)
    add(api, "POST", "/api/approvals/{id}/reject", reject, system("DecideApproval"), body=Decision, answers=one)
    return api


async def ask(
    request: Request,
    connection: AsyncConnection,
    rule: Rule,
    operation: str,
    group_ids: Sequence[str],
    order: Kept,
    *,
    services: Sequence[str] = (),
    note: str = "",
) -> Response:
    """Keep the order of this request until somebody else approves it; the answer says so, with status 202.

    Nothing of the order may have been written in this transaction but the versions it names.
    """
    caller, state = caller_of(request), control(request)
    wanted = approvals.Request(
        operation,
        group_ids,
        services,
        order,
        note,
        requested_by=caller.name,
        requested_by_id=caller.user_id or f"group:{caller.group_id}",
    )
    made = await approvals.ask(connection, state.store.cipher, rule, wanted, state.now())
    told = {"approval": {**_shown(made), "rule": rule.name}}
    audit.note(request, "approvals", made.id, _shown(made), answer=told)
    return answer({"value": told}, 202)


async def _rules(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        return listing([_shown_rule(rule) for rule in await approvals.rules(connection)])


async def _rule(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        return value(_shown_rule(await _existing_rule(connection, request)))


async def _create_rule(request: Request) -> Response:
    values = (await read_shape(request, WantedRule)).values()
    return await _write_rule(request, str(uuid4()), values, new=True)


async def _put_rule(request: Request) -> Response:
    values = (await read_shape(request, WantedRule)).values()
    return await _write_rule(request, request.path_params["id"], values)


async def _write_rule(request: Request, rule_id: str, values: Mapping[str, Any], *, new: bool = False) -> Response:
    async with audit.transact(request) as connection:
        if not new:
            await _existing_rule(connection, request)
        rule = await approvals.put_rule(connection, rule_id, values)
        audit.note(request, "approval_rules", rule_id, values, answer=_shown_rule(rule))
    return value(_shown_rule(rule))


async def _delete_rule(request: Request) -> Response:
    async with audit.transact(request) as connection:
        rule = await _existing_rule(connection, request)
        await approvals.delete_rule(connection, rule.id)
        audit.note(request, "approval_rules", rule.id)
    return answer({})


async def _existing_rule(connection: AsyncConnection, request: Request) -> Rule:
    rule = await approvals.rule(connection, request.path_params["id"])
    if rule is None:
        raise NotFound(f"approval rule [{request.path_params['id']}] not found")
    return rule


async def _list(request: Request) -> Response:
    query, state, wanted = read_query(request), control(request), request.query_params.get("state")
    if wanted not in {None, *STATES}:
        raise Invalid(f"state must be one of {', '.join(STATES)}")
    async with state.store.reading() as connection:
        found, total = await approvals.page(
            connection, state.store.cipher, state.now(), wanted, query.page, query.page_size
        )
    return listing([_shown(each) for each in found], total)


async def _get(executors: Mapping[str, Executor], request: Request) -> Response:
    """A request; while it waits, with what approving it would change now."""
    state = control(request)
    async with state.store.moment() as connection:
        found = await approvals.find(connection, state.store.cipher, request.path_params["id"], state.now())
        if found is None:
            raise NotFound(f"approval [{request.path_params['id']}] not found")
        preview: dict[str, Any] = {}
        if found.state == "pending":
            preview = await _preview(executors[found.operation], connection, state.store.cipher, found)
    return value({**_shown(found), **preview})


async def _preview(executor: Executor, connection: AsyncConnection, cipher: Cipher, found: Approval) -> dict[str, Any]:
    """What it would do now, or why it cannot be done any more."""
    try:
        return {"preview": await executor.preview(connection, cipher, found.order)}
    except GatefleetError as error:
        return {"problem": str(error)}


async def _approve(executors: Mapping[str, Executor], request: Request) -> Response:
    """Carry out what was asked for, exactly as it was asked; by another user than the one who asked."""
    found, note = await _decidable(request), (await read_shape(request, Decision)).note
    state, who = control(request), caller_of(request).name
    author = Author(f"{found.requested_by}, approved by {who}", request.state.request_id)
    async with audit.transact(request) as connection:
        await _still_pending(request, connection)
        done = await executors[found.operation].run(connection, state.store.cipher, found.order, author)
        await approvals.decide(connection, found.id, "approved", who, note, state.now())
        decided = await approvals.find(connection, state.store.cipher, found.id, state.now())
        told = {"approval": _shown(decided or found), **done}
        noted = {**_shown(found), "state": "approved", "decision_note": note}
        audit.note(request, "approvals", found.id, noted, answer=told)
    return value(told)


async def _reject(request: Request) -> Response:
    """Have nothing happen; by another user than the one who asked."""
    found, note = await _decidable(request), (await read_shape(request, Decision)).note
    state, who = control(request), caller_of(request).name
    async with audit.transact(request) as connection:
        await _still_pending(request, connection)
        await approvals.decide(connection, found.id, "rejected", who, note, state.now())
        decided = await approvals.find(connection, state.store.cipher, found.id, state.now())
        told = {"approval": _shown(decided or found)}
        noted = {**_shown(found), "state": "rejected", "decision_note": note}
        audit.note(request, "approvals", found.id, noted, answer=told)
    return value(told)


async def _decidable(request: Request) -> Approval:
    """The request this is about; Forbidden for who asked, Conflict if it expired, which is written down then."""
    caller, user_id = user_of(request)
    state, approval_id = control(request), request.path_params["id"]
    async with state.store.reading() as connection:
        found = await approvals.find(connection, state.store.cipher, approval_id, state.now())
    if found is None:
        raise NotFound(f"approval [{approval_id}] not found")
    if user_id == found.requested_by_id:
        raise Forbidden(f"user [{caller.name}] asked for it: somebody else has to decide")
    if found.state == "expired":
        async with state.store.transaction() as connection:
            await approvals.expire(connection, found.id)
    if found.state != "pending":
        raise Conflict(f"approval [{approval_id}] is {found.state}; ask again")
    return found


async def _still_pending(request: Request, connection: AsyncConnection) -> None:
    """Locks the request until this transaction ends: two who decide at once do it one after the other."""
    state, approval_id = control(request), request.path_params["id"]
    found = await approvals.find(connection, state.store.cipher, approval_id, state.now(), lock=True)
    if found is None or found.state != "pending":
        raise Conflict(f"approval [{approval_id}] is {found.state if found else 'gone'}; ask again")


def _shown(found: Approval) -> dict[str, Any]:
    decided = {
        "decided_by": found.decided_by,
        "decision_note": found.decision_note,
        "decided_at": unix(found.decided_at) if found.decided_at else None,
    }
    return {
        "id": found.id,
        "rule_id": found.rule_id or "",
        "state": found.state,
        "operation": found.operation,
        "gateway_group_ids": list(found.group_ids),
        "services": list(found.services),
        "note": found.note,
        "requested_by": found.requested_by,
        "created_at": unix(found.created_at),
        "expires_at": unix(found.expires_at),
        **{name: part for name, part in decided.items() if part},
    }


def _shown_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "labels": dict(rule.labels),
        "operations": list(rule.operations),
        "expires_after": rule.expires_after,
        "created_at": unix(rule.created_at),
        "updated_at": unix(rule.updated_at),
    }
