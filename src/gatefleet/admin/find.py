"""Finding by a piece of its name, id or path what the caller may read: services, routes, consumers, templates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement, Row, Select, Table, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import grants, openapi
from gatefleet.admin.access import Access, Reach, caller_of, held_by, visible_groups
from gatefleet.admin.endpoint import add
from gatefleet.admin.grants import Grants, Labels, Subject, labels_of
from gatefleet.admin.openapi import TEXT
from gatefleet.admin.permissions import PERMISSIONS
from gatefleet.admin.visible import subject_of
from gatefleet.admin.web import control, listing
from gatefleet.errors import Invalid
from gatefleet.resources import KINDS, Document
from gatefleet.store.tables import gateway_group, resource, template

R: Final = resource.c
T: Final = template.c
READ: Final = {
    "services": "ListService",
    "routes": "ListRoute",
    "stream_routes": "ListStreamRoute",
    "consumers": "ListConsumer",
}
"""What is looked for in gateway groups, and the action that lists it."""
MOST: Final = 8
"""Of each kind that an answer holds: who has more of them types more."""
ASKED: Final = 200
"""Of each kind that policies are asked about."""
LONGEST: Final = 200
HIT: Final = {
    "type": "object",
    "required": ["kind", "id", "name"],
    "properties": {
        "kind": {"enum": [*(KINDS[kind].singular for kind in READ), "service_template"]},
        **dict.fromkeys(("id", "name", "service_id", "gateway_group_id", "gateway_group_name"), TEXT),
    },
}


def router() -> APIRouter:
    api = APIRouter(tags=["search"])
    text = openapi.parameter("text", {"type": "string", "maxLength": LONGEST}, "A piece of the name, the id or a path")
    found = openapi.many(HIT, paged=False)
    add(api, "GET", "/api/search", _search, Access("Search", Reach.ANY), answers=found, query=(text,))
    return api


async def _search(request: Request) -> Response:
    """What the caller may read and that has this text in its name, its id or one of its paths; a few of each kind."""
    text, caller = request.query_params.get("text", "").strip(), caller_of(request)
    if not 1 <= len(text) <= LONGEST:
        raise Invalid(f"the query parameter text must have 1 to {LONGEST} characters")
    groups = await visible_groups(request)
    async with control(request).store.reading() as connection:
        held = await held_by(caller, connection)
        hits = [hit for kind in READ for hit in await _in_groups(connection, held, kind, text, groups)]
        hits += await _templates(connection, held, text) if caller.group_id is None else []
    return listing(hits)


async def _in_groups(
    connection: AsyncConnection, held: Grants | None, kind: str, text: str, groups: Sequence[str] | None
) -> Sequence[dict[str, Any]]:
    within = true() if groups is None else R.group_id.in_(groups)
    columns = (*_columns(resource), R.group_id, gateway_group.c.name.label("group_name"))
    source = select(*columns).join(gateway_group, gateway_group.c.id == R.group_id).where(R.kind == kind, within)
    statement = _matching(source, resource, text).limit(ASKED if held else MOST)
    rows = (await connection.execute(statement)).all()
    if held:
        labels = await grants.group_labels(connection)
        services = {id_: await grants.service_labels(connection, id_) for id_ in {row.group_id for row in rows}}
        rows = [row for row in rows if _may(held, READ[kind], _subject(kind, row, labels, services))]
    return [_hit(KINDS[kind].singular, row) for row in rows[:MOST]]


async def _templates(connection: AsyncConnection, held: Grants | None, text: str) -> Sequence[dict[str, Any]]:
    source = select(*_columns(template)).where(T.kind == "services")
    statement = _matching(source, template, text).limit(ASKED if held else MOST)
    rows = (await connection.execute(statement)).all()
    if held:
        rows = [row for row in rows if _may(held, "ListServiceTemplate", _of_template(row))]
    return [_hit("service_template", row) for row in rows[:MOST]]


def _columns(table: Table) -> tuple[ColumnElement[Any], ...]:
    body = table.c.body
    return table.c.id, table.c.parent, body["name"].astext.label("name"), body["labels"].label("labels")


def _matching(source: Select[Any], table: Table, text: str) -> Select[Any]:
    """Those with this text: first the one of this very name, then the shortest names."""
    name = table.c.body["name"].astext
    texts = (table.c.id, name, table.c.body["paths"].astext)
    alike = or_(*(each.icontains(text, autoescape=True) for each in texts))
    return source.where(alike).order_by((name == text).desc().nulls_last(), func.char_length(name), name, table.c.id)


def _may(held: Grants, action: str, subject: Subject) -> bool:
    return held.decide(subject.asked(PERMISSIONS[action])).allowed


def _subject(
    kind: str, row: Row[Any], labels: Mapping[str, Labels], services: Mapping[str, Mapping[str, Labels]]
) -> Subject:
    document = Document(kind, row.id, row.parent, {"labels": row.labels})
    return subject_of(document, row.group_id, {"gateway_group_label": labels[row.group_id]}, services[row.group_id])


def _of_template(row: Row[Any]) -> Subject:
    return Subject(template=row.id, labels={"service_label": labels_of({"labels": row.labels})})


def _hit(kind: str, row: Row[Any]) -> dict[str, Any]:
    return {"kind": kind, "id": row.id, "name": row.name or row.id, **dict(_where(row))}


def _where(row: Row[Any]) -> Iterator[tuple[str, str]]:
    """Where it is: its service and its gateway group, if it has them."""
    if row.parent is not None:
        yield "service_id", row.parent
    if group_id := getattr(row, "group_id", None):
        yield "gateway_group_id", group_id
        yield "gateway_group_name", row.group_name
