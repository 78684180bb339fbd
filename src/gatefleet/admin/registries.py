"""Service registries of a gateway group as its nodes see them, at the address API7's clients use."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import kind_schemas, openapi
from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.present import shown
from gatefleet.admin.query import read_query
from gatefleet.admin.web import control, listing, value
from gatefleet.errors import NotFound
from gatefleet.resources import KINDS
from gatefleet.resources.relations import references
from gatefleet.store import Documents, fleet
from gatefleet.store.fleet_tables import instance

PATH: Final = "/api/gateway_groups/{gateway_group_id}/service_registries"
KIND: Final = "service_registries"
HEARD: Final = frozenset({"Healthy", "OutOfSync"})


def router() -> APIRouter:
    """What is read; the engine writes."""
    api = APIRouter(tags=[KIND])
    schema = kind_schemas.shown(KINDS[KIND])
    read = group("ListServiceRegistry"), group("GetServiceRegistry")
    add(api, "GET", PATH, _list, read[0], answers=openapi.many(schema), query=openapi.LABELS)
    add(api, "GET", f"{PATH}/{{id}}", _one, read[1], answers=openapi.one(schema))
    add(api, "GET", f"{PATH}/{{id}}/connected_services", _connected, read[1], answers=openapi.many(paged=False))
    add(api, "GET", f"{PATH}/{{id}}/instances", _instances, read[1], answers=openapi.many(paged=False))
    return api


async def _list(request: Request) -> Response:
    async with control(request).store.read(group_of(request)) as documents:
        found, total = await documents.list(KIND, read_query(request))
        seen, users = await _seen(documents.connection, documents.group_id), await _users(documents)
        return listing([_told(shown(one), documents.group_id, seen, users) for one in found], total)


async def _one(request: Request) -> Response:
    async with control(request).store.read(group_of(request)) as documents:
        stored = await documents.get(KIND, request.path_params["id"])
        if stored is None:
            raise NotFound(f"service registry [{request.path_params['id']}] not found")
        seen, users = await _seen(documents.connection, documents.group_id), await _users(documents)
        return value(_told(shown(stored), documents.group_id, seen, users))


async def _connected(request: Request) -> Response:
    """The services whose upstreams are looked up in it."""
    async with control(request).store.read(group_of(request)) as documents:
        names = (await _users(documents)).get(request.path_params["id"], {})
    return listing([{"service_id": id_, "name": name} for id_, name in sorted(names.items())])


async def _instances(request: Request) -> Response:
    """How each connected instance sees it."""
    async with control(request).store.read(group_of(request)) as documents:
        seen = await _seen(documents.connection, documents.group_id)
    return listing(seen.get(request.path_params["id"], []))


async def _seen(connection: AsyncConnection, group_id: str) -> Mapping[str, list[dict[str, Any]]]:
    """By registry, what the instances that are connected say of it."""
    heard = [node.id for node in await fleet.list_instances(connection, group_id) if node.status in HEARD]
    columns = (instance.c.id, instance.c.hostname, instance.c.registries)
    here = (instance.c.group_id == group_id) & instance.c.id.in_(heard)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.execute(select(*columns).where(here).order_by(instance.c.id)):
        for registry, state in row.registries.items():
            found.setdefault(registry, []).append({"instance_id": row.id, "hostname": row.hostname, **state})
    return found


async def _users(documents: Documents) -> Mapping[str, dict[str, str]]:
    """By registry, the services that use it: id to name."""
    found: dict[str, dict[str, str]] = {}
    services, _ = await documents.list("services")
    names = {stored.document.id: str(stored.document.body.get("name")) for stored in services}
    upstreams, _ = await documents.list("upstreams")
    for stored in (*services, *upstreams):
        document = stored.document
        for reference in references(document.kind, document.body):
            if reference.kind == KIND:
                service = document.parent or document.id
                found.setdefault(reference.id, {})[service] = names.get(service, service)
    return found


def _told(
    item: dict[str, Any],
    group_id: str,
    seen: Mapping[str, Sequence[Mapping[str, Any]]],
    users: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """A registry with what nodes say: connecting until one has an answer, lost as soon as one has none."""
    states = seen.get(str(item["id"]), [])
    lost = [state for state in states if state["status"] != "healthy"]
    reasons = sorted({str(state["reason"]) for state in lost if state.get("reason")})
    last = max((int(state.get("last_connect_time") or 0) for state in states), default=0)
    return {
        **item,
        "gateway_group_id": group_id,
        "status": "lost_connection" if lost else "healthy" if states else "connecting",
        "associated_services_count": len(users.get(str(item["id"]), {})),
        **({"last_connect_time": last} if last else {}),
        **({"reason": "; ".join(reasons)} if reasons else {}),
    }
