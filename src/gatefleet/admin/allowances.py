"""What the caller may do, told before it is tried: every action with true, or with why not."""

from typing import Final

from fastapi import APIRouter, Request, Response

from gatefleet.admin import grants
from gatefleet.admin.access import Access, Caller, Reach, caller_of, user_of
from gatefleet.admin.endpoint import add
from gatefleet.admin.grants import ALL, Grants, Subject
from gatefleet.admin.openapi import TEXT, one, parameter
from gatefleet.admin.permissions import PERMISSIONS, Permission
from gatefleet.admin.web import control, value

ALLOWANCES: Final = one({"type": "object", "additionalProperties": {"anyOf": [{"const": True}, TEXT]}})
ABOUT: Final = (
    parameter("gateway_group_id", TEXT, "What may be done with this gateway group; without it, with all of them"),
    parameter("service_id", TEXT, "What may be done with this service of the group; without it, with all of them"),
)


def router() -> APIRouter:
    api = APIRouter(tags=["identity"])
    add(api, "GET", "/api/me/permissions", _mine, Access("GetMe", Reach.SELF), answers=ALLOWANCES, query=ABOUT)
    return api


async def _mine(request: Request) -> Response:
    """By action: true, or the reason why the caller's policies do not allow it."""
    caller, _ = user_of(request)
    if caller.unlimited:
        return value(dict.fromkeys(PERMISSIONS, True))
    query = request.query_params
    async with control(request).store.reading() as connection:
        held = await grants.load(connection, caller.roles, caller.boundary, caller.scope)
        group, service = query.get("gateway_group_id") or ALL, query.get("service_id") or ALL
        subject = await grants.with_labels(connection, held, Subject(group, service, service))
    return value({action: _answer(held, needed, subject, caller_of(request)) for action, needed in PERMISSIONS.items()})


def _answer(held: Grants, needed: Permission, subject: Subject, caller: Caller) -> bool | str:
    asked = subject.asked(needed)
    decision = held.decide(asked)
    if decision.allowed:
        return True
    by = f" (policy [{decision.policy}])" if decision.policy else ""
    return f"[{caller.name}] is not allowed to do [{asked.action}] with [{asked.resource}]: {decision.reason}{by}"
