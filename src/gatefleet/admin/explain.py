"""Why something is allowed or denied: every policy that was asked, and the statement that decided."""

import re
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import grants
from gatefleet.admin.access import Access, Reach, user_of
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.grants import ALL, Grants, Subject
from gatefleet.admin.openapi import TEXT, one, parameter
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.policies import LABELS, Asked, Policy
from gatefleet.admin.users import existing_user
from gatefleet.admin.web import control, value
from gatefleet.errors import Invalid
from gatefleet.store.access_tables import role

TEXTS: Final = {"type": "array", "items": TEXT}
_ACTION: Final = {
    "type": "object",
    "required": ["action", "resource", "operations"],
    "properties": {"action": TEXT, "resource": TEXT, "operations": TEXTS},
}
VOCABULARY: Final = {
    "type": "object",
    "required": ["actions", "conditions"],
    "properties": {"actions": {"type": "array", "items": _ACTION}, "conditions": TEXTS},
}
_ANSWER: Final = {
    "type": "object",
    "required": ["id", "name", "roles", "boundary", "says"],
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "roles": TEXTS,
        "boundary": {"type": "boolean"},
        "says": {"enum": ["allow", "deny", "nothing"]},
        "statement": {"type": "integer", "minimum": 0},
    },
}
DECISION: Final = {
    "type": "object",
    "required": ["allowed", "action", "resource", "reason", "policy", "labels", "asked"],
    "properties": {
        "allowed": {"type": "boolean"},
        "action": TEXT,
        "resource": TEXT,
        "reason": TEXT,
        "policy": TEXT,
        "statement": {"type": "integer", "minimum": 0},
        "labels": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TEXT}},
        "asked": {"type": "array", "items": _ANSWER},
    },
}
QUESTION: Final = (
    parameter("action", TEXT, "As policies and refusals name it, for example gateway:PublishServices"),
    parameter("resource", TEXT, "As policies and refusals name it, for example arn:api7:gateway:gatewaygroup/default"),
    parameter("consumer", TEXT, "The consumer of the gateway group it is about, if conditions look at consumers"),
)
SHAPES: Final = tuple(
    re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(shape)))
    for shape in sorted({needed.resource for needed in PERMISSIONS.values()})
)


def router() -> APIRouter:
    api = APIRouter(tags=["access"])
    words = Access("ListPolicyActions", Reach.ANY)
    add(api, "GET", "/api/permission_policies/actions", _vocabulary, words, answers=one(VOCABULARY))
    mine, theirs = Access("GetMe", Reach.SELF), system("ExplainDecision")
    add(api, "GET", "/api/me/decision", _mine, mine, answers=one(DECISION), query=QUESTION)
    add(api, "GET", "/api/users/{id}/decision", _theirs, theirs, answers=one(DECISION), query=QUESTION)
    return api


async def _vocabulary(_: Request) -> Response:
    """What policies can speak of: actions with the resource each is about and what it lets one do; conditions."""
    needed = sorted({(needed.action, needed.resource) for needed in PERMISSIONS.values()})
    actions = [
        {
            "action": action,
            "resource": resource,
            "operations": [
                name for name, one in PERMISSIONS.items() if (one.action, one.resource) == (action, resource)
            ],
        }
        for action, resource in needed
    ]
    return value({"actions": actions, "conditions": LABELS})


async def _mine(request: Request) -> Response:
    """Whether the caller may do this, and why."""
    caller, _ = user_of(request)
    async with control(request).store.reading() as connection:
        held = await grants.load(connection, caller.roles, caller.boundary, caller.scope)
        return value(await _explained(request, connection, held, caller.roles))


async def _theirs(request: Request) -> Response:
    """Whether a user may do this, and why."""
    user = await existing_user(request, request.path_params["id"])
    async with control(request).store.reading() as connection:
        held = await grants.load(connection, user.roles, user.boundary)
        return value(await _explained(request, connection, held, user.roles))


async def _explained(
    request: Request, connection: AsyncConnection, held: Grants, roles: Sequence[str]
) -> dict[str, Any]:
    query = request.query_params
    action, resource = query.get("action", ""), query.get("resource", "")
    if action not in {needed.action for needed in PERMISSIONS.values()}:
        raise Invalid(f"unknown action [{action}]; see GET /api/permission_policies/actions")
    subject = await grants.with_labels(connection, held, _subject(resource, query.get("consumer") or ALL))
    asked = Asked(action, resource, subject.labels)
    decision = held.decide(asked)
    return {
        "allowed": decision.allowed,
        "action": action,
        "resource": resource,
        "reason": decision.reason or "a statement allows it",
        "policy": decision.policy,
        **({"statement": decision.statement} if decision.statement >= 0 else {}),
        "labels": subject.labels,
        "asked": await _everybody(connection, held, roles, asked),
    }


async def _everybody(
    connection: AsyncConnection, held: Grants, roles: Sequence[str], asked: Asked
) -> list[dict[str, Any]]:
    """What each policy says, and by which roles it is held; those of the boundary come last."""
    rows = (await connection.execute(select(role.c.name, role.c.policies).where(role.c.id.in_(list(roles))))).all()
    by = {policy.id: sorted(row.name for row in rows if policy.id in row.policies) for policy in held.policies}
    own = [_said(policy, asked, by[policy.id]) for policy in held.policies]
    return own + [_said(policy, asked) for policy in held.boundary]


def _subject(resource: str, consumer: str) -> Subject:
    """What a resource names; Invalid for what nothing is ever asked of."""
    for shape in SHAPES:
        if matched := shape.fullmatch(resource):
            found = matched.groupdict(ALL)
            group, service, template = (found.get(name, ALL) for name in ("group", "service", "template"))
            return Subject(group, service, template, found.get("id", consumer))
    raise Invalid(f"unknown resource [{resource}]; see GET /api/permission_policies/actions")


def _said(policy: Policy, asked: Asked, roles: Sequence[str] | None = None) -> dict[str, Any]:
    """What one policy says; without roles it is of the boundary."""
    says, statement = policy.says(asked) or ("nothing", None)
    told = {"id": policy.id, "name": policy.name, "roles": roles or [], "boundary": roles is None, "says": says}
    return told if statement is None else {**told, "statement": statement}
