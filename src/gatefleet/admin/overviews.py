"""Numbers and names over all gateway groups the caller may read: labels in use, resources and nodes counted."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import grants
from gatefleet.admin.access import Access, Reach, asked_group, visible_groups
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, many, one, parameter
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.users import USER, shown_user
from gatefleet.admin.web import control, listing, unix, value
from gatefleet.errors import Forbidden, Invalid, NotFound
from gatefleet.resources import KINDS
from gatefleet.store import fleet
from gatefleet.store.tables import gateway_group, resource, template, user

LABELLED: Final = {kind.singular: kind.path for kind in KINDS.values() if kind.labelled}
TEMPLATES: Final = {
    "service_template": "services",
    "route_template": "routes",
    "stream_route_template": "stream_routes",
}
COUNTED: Final = {kind.singular: kind.path for kind in KINDS.values()}
FIELDS: Final = ("status", "version")
Column = ColumnElement[Any]


def router() -> APIRouter:
    api = APIRouter(tags=["overviews"])
    groups, count = "/api/gateway_groups", Access("CountResources", Reach.ANY)
    in_group = (parameter("gateway_group_id", TEXT, "Only of this gateway group"),)
    labels = one({"type": "object", "additionalProperties": {"type": "array", "items": TEXT}})
    counts = one({"type": "array", "items": OBJECT})
    users = f"{groups}/{{gateway_group_id}}/permitted_users"
    of_service = f"{groups}/{{gateway_group_id}}/services/{{id}}/permitted_users"
    label = Access("ListLabels", Reach.ANY)
    add(api, "GET", "/api/labels/{resource_type}", _labels, label, answers=labels, query=in_group)
    add(api, "GET", f"{groups}/count/{{resource_type}}", _count, count, answers=many())
    for path in (users, of_service):
        add(api, "GET", path, _users, system("ListPermittedUsers"), answers=many(USER))
    add(api, "GET", "/api/instances/count/{field}", _instances, count, answers=counts, query=in_group)
    add(api, "GET", "/api/instances/cores", _cores, count, answers=one())
    return api


async def _labels(request: Request) -> Response:
    """Every label key in use by resources of this type, with its values."""
    asked = request.path_params["resource_type"]
    readable = await _readable(request)
    match asked:
        case "gateway_group":
            source, labels, where = gateway_group, gateway_group.c.labels, _among(gateway_group.c.id, readable)
        case _ if asked in TEMPLATES:
            source, labels, where = template, template.c.body["labels"], template.c.kind == TEMPLATES[asked]
        case _ if asked in LABELLED:
            where = and_(resource.c.kind == LABELLED[asked], _among(resource.c.group_id, readable))
            source, labels = resource, resource.c.body["labels"]
        case _:
            raise Invalid(f"[{asked}] has no labels; there are {sorted([*LABELLED, *TEMPLATES, 'gateway_group'])}")
    pairs = func.jsonb_each_text(labels).table_valued("key", "value")
    statement = select(pairs.c.key, pairs.c.value).select_from(source).join(pairs, true()).where(where).distinct()
    found: dict[str, list[str]] = {}
    async with control(request).store.reading() as connection:
        for row in await connection.execute(statement.order_by(pairs.c.key, pairs.c.value)):
            found.setdefault(row.key, []).append(row.value)
    return value(found)


async def _count(request: Request) -> Response:
    """How many resources of a type every gateway group has."""
    asked, readable, query = request.path_params["resource_type"], await _readable(request), read_query(request)
    if asked != "gateway_instance" and asked not in COUNTED:
        raise Invalid(f"[{asked}] cannot be counted; there are {sorted([*COUNTED, 'gateway_instance'])}")
    statement = (
        select(gateway_group).where(_among(gateway_group.c.id, readable)).order_by(gateway_group.c.created_order)
    )
    async with control(request).store.reading() as connection:
        rows = (await connection.execute(statement)).all()
        counts = await _counts(connection, asked)
    shown = [
        {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "labels": row.labels,
            "count": counts.get(row.id, 0),
            "created_at": unix(row.created_at),
            "updated_at": unix(row.updated_at),
        }
        for row in page_of(rows, query)
    ]
    return listing(shown, len(rows))


async def _counts(connection: AsyncConnection, asked: str) -> Counter[str]:
    if asked == "gateway_instance":
        return Counter(node.group_id for node in await fleet.list_instances(connection))
    grouped = select(resource.c.group_id, func.count().label("n")).where(resource.c.kind == COUNTED[asked])
    return Counter({row.group_id: row.n for row in await connection.execute(grouped.group_by(resource.c.group_id))})


async def _instances(request: Request) -> Response:
    """How many nodes there are by status or version."""
    field = request.path_params["field"]
    if field not in FIELDS:
        raise Invalid(f"nodes can be counted by {' or '.join(FIELDS)}, not by [{field}]")
    counts = Counter(str(getattr(node, field)) for node in await _nodes(request))
    return value([{"key": key, "count": count} for key, count in sorted(counts.items())])


async def _cores(request: Request) -> Response:
    """The processor cores of the nodes that are there."""
    return value({"current_dp_cores": sum(node.cores for node in await _nodes(request) if node.status != "Offline")})


async def _nodes(request: Request) -> Sequence[fleet.Instance]:
    readable = await _readable(request)
    async with control(request).store.reading() as connection:
        found = await fleet.list_instances(connection)
    return [node for node in found if readable is None or node.group_id in readable]


async def _users(request: Request) -> Response:
    """Users whose policies let them read this gateway group, or this service of it."""
    service_id = request.path_params.get("id")
    group_id, query = request.path_params["gateway_group_id"], read_query(request)
    async with control(request).store.reading() as connection:
        labels = await grants.group_labels(connection)
        if group_id not in labels:
            raise NotFound(f"gateway group [{group_id}] not found")
        services = await grants.service_labels(connection, group_id)
        if service_id and service_id not in services:
            raise NotFound(f"service [{service_id}] not found")
        said = {"gateway_group_label": labels[group_id], "service_label": services.get(str(service_id), {})}
        asked = grants.Subject(group_id, service_id or grants.ALL, labels=said).asked(
            PERMISSIONS["GetService" if service_id else "GetGatewayGroup"]
        )
        rows = (await connection.execute(select(user).order_by(user.c.created_at.desc(), user.c.id))).all()
        alike = {(tuple(row.roles), tuple(row.boundary)) for row in rows}
        held = {pair: await grants.load(connection, *pair) for pair in alike}
    readers = [row for row in rows if held[tuple(row.roles), tuple(row.boundary)].decide(asked).allowed]
    return listing([shown_user(row) for row in page_of(readers, query)], len(readers))


async def _readable(request: Request) -> Sequence[str] | None:
    """The gateway groups this is about: the one that is asked for, or all the caller may read (None: all)."""
    readable, asked = await visible_groups(request), asked_group(request)
    if asked is None:
        return readable
    if readable is not None and asked not in readable:
        raise Forbidden(f"gateway group [{asked}] is not yours to read")
    return [asked]


def _among(column: Column, groups: Sequence[str] | None) -> Column:
    return true() if groups is None else column.in_(groups)
