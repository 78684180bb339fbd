"""Trying a request: an instance makes it of its own Envoy, and the answer says which route and plugins it met."""

import asyncio
import base64
import codecs
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.request_wanted import Wanted
from gatefleet.admin.waits import Waits
from gatefleet.admin.web import control, read_shape, value
from gatefleet.compile.way import Step, Told, Verdict, verdict, way
from gatefleet.errors import Conflict, NotFound
from gatefleet.fleet import RequestTest, Tested
from gatefleet.pki import Identity
from gatefleet.store import fleet, request_tests, revisions
from gatefleet.store.request_tests import ANSWERED, OFFERED
from gatefleet.store.standing import standing
from gatefleet.waiting import happens

LONGEST: Final = 18.0
"""Seconds in which an instance has to answer."""
LOOK_SECONDS: Final = 1.0
"""How often is looked in case a notice was lost."""
PATH: Final = "/api/gateway_groups/{gateway_group_id}/request_tests"
_WHOLE: Final = {"type": "integer", "minimum": 0}
_HEADER: Final = {"type": "array", "items": openapi.TEXT, "minItems": 2, "maxItems": 2}
_ANSWER: Final = {
    "type": "object",
    "required": ["status", "headers", "body", "body_encoding", "truncated"],
    "properties": {
        "status": _WHOLE,
        "headers": {"type": "array", "items": _HEADER, "description": "Names and values, in their order"},
        "body": openapi.TEXT,
        "body_encoding": {"enum": ["text", "base64"]},
        "truncated": {"type": "boolean", "description": "The body goes on"},
    },
}
_NAMES: Final = ("service_id", "service_name", "route_id", "route_name")
_STEP: Final = {
    "type": "object",
    "required": ["name", "from", "from_id", "outcome"],
    "properties": {
        "name": openapi.TEXT,
        "from": {"enum": ["global_rule", "service", "route", "consumer"]},
        "from_id": openapi.TEXT,
        "outcome": {
            "enum": ["ran", "answered", "not_reached", "conditional"],
            "description": "`conditional`: it cannot be told whether it ran",
        },
    },
}
TEST: Final = {
    "type": "object",
    "required": ["id", "instance_id", "state", "reason", "revision", "seconds", "plugins"],
    "properties": {
        "id": openapi.TEXT,
        "instance_id": openapi.TEXT,
        "state": {"enum": ["answered", "failed", "lost"]},
        "reason": openapi.TEXT,
        "revision": {**_WHOLE, "description": "The one the instance is proven to serve; 0 if none"},
        "seconds": {"type": "number", "minimum": 0},
        "response": _ANSWER,
        "route": {"type": "object", "required": _NAMES, "properties": dict.fromkeys(_NAMES, openapi.TEXT)},
        "consumer": openapi.TEXT,
        "upstream": {"type": "string", "description": "The address of the node that was asked last"},
        "details": {"type": "string", "description": "Why it was answered so, in Envoy's words"},
        "answered_by": {
            "type": "object",
            "required": ["kind", "plugin"],
            "properties": {"kind": {"enum": ["upstream", "plugin", "gateway"]}, "plugin": openapi.TEXT},
        },
        "plugins": {"type": "array", "items": _STEP, "description": "In the order a request meets them"},
    },
}


def router() -> APIRouter:
    """The endpoint, with what waits at it."""
    api = APIRouter(tags=["nodes"])
    waits = Waits(ANSWERED, "answers of instances")

    async def test(request: Request) -> Response:
        """Have an instance make a request of its own gateway, and tell what became of it.

        It is a real request: what is behind the gateway gets it. It comes from the instance itself, so plugins see its
        own address as the client's. Without `instance_id` any healthy instance makes it; 409 if there is none.
        """
        return await _test(request, waits)

    add(api, "POST", PATH, test, group("CreateRequestTest"), body=Wanted, answers=openapi.one(TEST))
    return api


async def _test(request: Request, waits: Waits) -> Response:
    wanted = (await read_shape(request, Wanted)).checked()
    here = control(request)
    async with here.store.reading() as connection:
        who = Identity(group_of(request), await _instance(connection, group_of(request), wanted.instance_id))
    made = wanted.order()
    async with waits.on(here.settings.dsn.get_secret_value(), made.id) as woken:
        async with audit.transact(request) as connection:
            await request_tests.order(connection, here.store.cipher, who, made)
            audit.note(request, "request_tests", made.id, {"instance_id": who.instance, **wanted.recorded()})
        try:
            state = await _come(request, made, woken)
        finally:
            async with here.store.transaction() as connection:
                await request_tests.remove(connection, made.id)
    if state.answer is None:
        return value({**_head(made, who, Tested(made.id)), "state": "lost", "reason": _lost(who, taken=state.taken)})
    return value(await _shown(request, made, who, state.answer))


async def _instance(connection: AsyncConnection, group_id: str, wanted: str | None) -> str:
    """The healthy instance that is asked for, or the one that has proven most; Conflict if there is none."""
    nodes = await fleet.list_instances(connection, group_id)
    if wanted is None:
        healthy = [node for node in nodes if node.status in ("Healthy", "OutOfSync")]
        if not healthy:
            raise Conflict(f"gateway group [{group_id}] has no healthy instance that could try a request")
        return max(healthy, key=lambda node: (node.status == "Healthy", node.proven_revision or 0)).id
    mine = next((node for node in nodes if node.id == wanted), None)
    if mine is None:
        raise NotFound(f"instance [{wanted}] of gateway group [{group_id}] not found")
    if mine.status not in ("Healthy", "OutOfSync"):
        raise Conflict(f"instance [{wanted}] is {mine.status}: only one that is connected can try a request")
    return mine.id


async def _come(request: Request, made: RequestTest, woken: asyncio.Event) -> request_tests.State:
    """How far the request is once it is answered, or time is over."""
    store, began = control(request).store, time.monotonic()
    while True:
        woken.clear()
        async with store.reading() as connection:
            state = await request_tests.look(connection, store.cipher, made.id)
        left = began + (LONGEST if state.taken else OFFERED.total_seconds()) - time.monotonic()
        if state.answer or left <= 0:
            return state
        await happens(woken, min(left, LOOK_SECONDS))


def _lost(who: Identity, *, taken: bool) -> str:
    if taken:
        return f"instance [{who.instance}] took the request and has not answered within {LONGEST:.0f} seconds"
    return (
        f"instance [{who.instance}] could not be asked within {OFFERED.seconds} seconds: it has no connection to a "
        "DP Manager, or is of a version that cannot try requests"
    )


async def _shown(request: Request, made: RequestTest, who: Identity, tested: Tested) -> dict[str, Any]:
    shown = _head(made, who, tested)
    if tested.status:
        shown["response"] = _response(tested)
    if not tested.seen:
        return shown
    place = tested.service, tested.route, tested.consumer
    store = control(request).store
    async with store.moment() as connection:
        oldest, _ = await revisions.span(connection, who.group)
        if not max(oldest, 1) <= tested.revision:
            return shown | {"reason": "what was served is not on record, so its plugins are not known"}
        found = await standing(connection, store.cipher, (who.group, who.instance), tested.revision, place)
    steps = way(found)
    routed = bool(tested.route)
    judged = verdict(steps, Told(routed, tested.upstream, tested.details, tested.plugin))
    if routed:
        named = (found.service, found.route)
        ids = (tested.service, tested.route)
        names = [str(d.body.get("name") or i) if d else i for d, i in zip(named, ids, strict=True)]
        shown["route"] = dict(zip(_NAMES, (ids[0], names[0], ids[1], names[1]), strict=True))
    return shown | {
        "consumer": tested.consumer,
        "upstream": tested.upstream,
        "details": tested.details,
        "answered_by": {"kind": judged.kind, "plugin": judged.plugin},
        "plugins": _plugins(steps, judged),
    }


def _head(made: RequestTest, who: Identity, tested: Tested) -> dict[str, Any]:
    return {
        "id": made.id,
        "instance_id": who.instance,
        "state": "answered" if tested.status else "failed",
        "reason": tested.reason,
        "revision": tested.revision,
        "seconds": tested.seconds,
        "plugins": [],
    }


def _plugins(steps: Sequence[Step], judged: Verdict) -> Sequence[Mapping[str, str]]:
    found: list[Mapping[str, str]] = []
    for step, outcome in zip(steps, judged.outcomes, strict=True):
        kind, _, owner = step.owner.partition(":")
        found.append({"name": step.name, "from": kind, "from_id": owner, "outcome": outcome})
    return found


def _response(tested: Tested) -> dict[str, Any]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        body, encoding = decoder.decode(tested.body, final=not tested.truncated), "text"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(tested.body).decode(), "base64"
    return {
        "status": tested.status,
        "headers": tested.headers,
        "body": body,
        "body_encoding": encoding,
        "truncated": tested.truncated,
    }
