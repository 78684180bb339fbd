"""Numbers and names over what the caller may read of all gateway groups: labels in use, resources and nodes counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement, Row, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import grants
from gatefleet.admin.access import Access, Reach, asked_group, caller_of, held_by, visible_groups
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.grants import Grants, Labels, Subject, labels_of
from gatefleet.admin.openapi import OBJECT, TEXT, many, one, parameter
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.users import USER, shown_user
from gatefleet.admin.visible import subject_of
from gatefleet.admin.web import control, listing, unix, value
from gatefleet.errors import Forbidden, Invalid, NotFound
from gatefleet.resources import KINDS, Document
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
    readable, caller = await _readable(request), caller_of(request)
    if caller.group_id is not None and asked in TEMPLATES:
        return value({})  # they belong to no group
    async with control(request).store.reading() as connection:
        held = await held_by(caller, connection)
        if held and asked in {*LABELLED, *TEMPLATES}:
            template_kind = TEMPLATES.get(asked)
            if template_kind:
                rows = await _templates(connection, held, template_kind)
            else:
                rows = await readable_documents(connection, held, LABELLED[asked], readable)
            return value(_in_use(labels_of({"labels": row.labels}) for row in rows))
        return value(await _labels_of_all(connection, asked, readable))


def _in_use(found: Iterable[Labels]) -> Mapping[str, Sequence[str]]:
    """Every key with all its values, in order."""
    pairs = sorted({pair for labels in found for pair in labels.items()})
    return {key: [text for _, text in each] for key, each in groupby(pairs, itemgetter(0))}


async def _labels_of_all(
    connection: AsyncConnection, asked: str, readable: Sequence[str] | None
) -> Mapping[str, Sequence[str]]:
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
    return _in_use({row.key: row.value} for row in await connection.execute(statement))


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
        held = await held_by(caller_of(request), connection)
        counts = await _counts(connection, held, asked, readable)
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


async def _counts(
    connection: AsyncConnection, held: Grants | None, asked: str, readable: Sequence[str] | None
) -> Counter[str]:
    if asked == "gateway_instance":
        seen = await grants.visible_groups(connection, held, PERMISSIONS["ListInstances"]) if held else None
        found = await fleet.list_instances(connection)
        return Counter(node.group_id for node in found if seen is None or node.group_id in seen)
    if held:
        return Counter(row.group_id for row in await readable_documents(connection, held, COUNTED[asked], readable))
    grouped = select(resource.c.group_id, func.count().label("n")).where(resource.c.kind == COUNTED[asked])
    return Counter({row.group_id: row.n for row in await connection.execute(grouped.group_by(resource.c.group_id))})


async def readable_documents(
    connection: AsyncConnection, held: Grants, kind: str, readable: Sequence[str] | None
) -> Sequence[Row[Any]]:
    """Group and labels of each document of this kind that the policies let their holder read."""
    columns = (resource.c.group_id, resource.c.id, resource.c.parent, resource.c.body["labels"].label("labels"))
    here = and_(resource.c.kind == kind, _among(resource.c.group_id, readable))
    rows: Sequence[Any] = (await connection.execute(select(*columns).where(here))).all()
    named = await grants.group_labels(connection)
    services = {id_: await grants.service_labels(connection, id_) for id_ in {row.group_id for row in rows}}

    def subject(row: Row[Any]) -> Subject:
        document = Document(kind, row.id, row.parent, {"labels": row.labels})
        return subject_of(document, row.group_id, {"gateway_group_label": named[row.group_id]}, services[row.group_id])

    return _allowed(held, KINDS[kind].singular, rows, subject)


async def _templates(connection: AsyncConnection, held: Grants, kind: str) -> Sequence[Row[Any]]:
    """The labels of each template of this kind that the policies let their holder read."""
    columns = (template.c.id, template.c.parent, template.c.kind, template.c.body["labels"].label("labels"))
    rows: Sequence[Any] = (await connection.execute(select(*columns))).all()
    of_services = {row.id: labels_of({"labels": row.labels}) for row in rows if row.kind == "services"}

    def subject(row: Row[Any]) -> Subject:
        service = row.parent or row.id
        return Subject(template=service, labels={"service_label": of_services.get(service, {})})

    return _allowed(held, "service_template", [row for row in rows if row.kind == kind], subject)


def _allowed(
    held: Grants, singular: str, rows: Sequence[Row[Any]], subject: Callable[[Row[Any]], Subject]
) -> Sequence[Row[Any]]:
    """The rows whose kind may be listed where they are; none if listing it is left to administrators."""
    needed = PERMISSIONS.get("List" + "".join(word.capitalize() for word in singular.split("_")))
    return [row for row in rows if needed and held.decide(subject(row).asked(needed)).allowed]


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
    readable, seen = await _readable(request), await visible_groups(request, "ListInstances")
    async with control(request).store.reading() as connection:
        found = await fleet.list_instances(connection)
    return [
        node
        for node in found
        if (readable is None or node.group_id in readable) and (seen is None or node.group_id in seen)
    ]


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
