"""Drills: rehearsed outages of a node, ordered here and carried out by the node itself."""

from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response

from gatefleet.admin import audit, openapi
from gatefleet.admin.access import caller_of
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.web import control, listing, read_shape, unix, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.fleet import Drill
from gatefleet.pki import Identity
from gatefleet.store import drills
from gatefleet.store.drills import Ordered

PATH: Final = "/api/gateway_groups/{gateway_group_id}"
SHORTEST: Final = 10
LONGEST: Final = 600
NUMBER: Final = {"type": "number", "minimum": 0}
COUNT: Final = {"type": "integer", "minimum": 0}
PART: Final = {
    "type": "object",
    "properties": {"name": openapi.TEXT, "seconds": NUMBER, "probes": COUNT, "failed": COUNT},
}
DRILL: Final = {
    "type": "object",
    "properties": {
        "id": openapi.TEXT,
        "instance_id": openapi.TEXT,
        "state": {"enum": ["running", "passed", "failed", "lost"]},
        "reason": openapi.TEXT,
        "seconds": COUNT,
        "source": {"enum": ["disk", "bucket"]},
        "envoy": {"type": "boolean"},
        "ordered_by": openapi.TEXT,
        "created_at": openapi.TIME,
        "parts": {"type": "array", "items": PART},
        "revision_before": COUNT,
        "revision_after": COUNT,
        "started_from": openapi.TEXT,
        "start_seconds": NUMBER,
        "reconnect_seconds": NUMBER,
    },
}


class Wanted(msgspec.Struct):
    """The body that orders a drill; `force`: even if nobody else serves the group meanwhile."""

    seconds: int = 30
    source: Literal["disk", "bucket"] = "disk"
    envoy: bool = False
    force: bool = False

    def checked(self) -> Drill:
        """As the node is told; Invalid for a time that is too short to tell anything, or too long to be cut off."""
        if not SHORTEST <= self.seconds <= LONGEST:
            raise Invalid(f'Error at "/seconds": number must be from {SHORTEST} to {LONGEST}')
        return Drill("", self.seconds, self.source, self.envoy)


def router() -> APIRouter:
    api = APIRouter(tags=["nodes"])
    order = f"{PATH}/instances/{{id}}/drills"
    add(api, "POST", order, _order, system("CreateDrill"), body=Wanted, answers=openapi.one(DRILL))
    add(api, "GET", f"{PATH}/drills", _list, group("ListDrills"), answers=openapi.many(DRILL, paged=False))
    add(api, "GET", f"{PATH}/drills/{{id}}", _get, group("GetDrill"), answers=openapi.one(DRILL))
    return api


async def _order(request: Request) -> Response:
    """Have a node rehearse an outage: it is cut off for so long, starts anew meanwhile, and reports when it is back.

    The node keeps the time itself. 409 while another drill of the group runs, unless the node is healthy, and if it is
    the only healthy one of its group unless `force` is set.
    """
    wanted = await read_shape(request, Wanted)
    who = Identity(request.path_params["gateway_group_id"], request.path_params["id"])
    ordered = wanted.checked()
    async with audit.transact(request) as connection:
        made = await drills.order(connection, who, ordered, caller_of(request).name, force=wanted.force)
        (found,) = await drills.read(connection, who.group, made.id)
        audit.note(request, "instances/drills", who.instance, msgspec.to_builtins(wanted), answer=_shown(found))
    return value(_shown(found))


async def _list(request: Request) -> Response:
    """The drills of a year, newest first."""
    async with control(request).store.reading() as connection:
        found = await drills.read(connection, request.path_params["gateway_group_id"])
    return listing([_shown(each) for each in found])


async def _get(request: Request) -> Response:
    """One drill as it stands."""
    group_id, drill_id = request.path_params["gateway_group_id"], request.path_params["id"]
    async with control(request).store.reading() as connection:
        found = await drills.read(connection, group_id, drill_id)
    if not found:
        raise NotFound(f"drill [{drill_id}] of gateway group [{group_id}] not found")
    return value(_shown(found[0]))


def _shown(found: Ordered) -> dict[str, Any]:
    lost = "the node has not reported in time: look at its log" if found.state == "lost" else ""
    report: dict[str, Any] = msgspec.to_builtins(found.report) if found.report else {}
    return {
        "id": found.wanted.id,
        "instance_id": found.instance_id,
        "state": found.state,
        "reason": report.get("reason", lost),
        "seconds": found.wanted.seconds,
        "source": found.wanted.source,
        "envoy": found.wanted.envoy,
        "ordered_by": found.operator,
        "created_at": unix(found.created_at),
        **{name: item for name, item in report.items() if name not in {"id", "passed", "reason"}},
    }
