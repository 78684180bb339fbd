"""Comparing: a gateway group with another one or with an earlier revision, and services across groups."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import openapi
from gatefleet.admin.access import caller_of, group_of, visible_groups
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.query import number
from gatefleet.admin.web import control, unix, value
from gatefleet.admin.whole import service_of
from gatefleet.errors import Forbidden, Invalid, NotFound
from gatefleet.resources import Document
from gatefleet.resources.aligned import aligned
from gatefleet.resources.diff import diff, sentences
from gatefleet.store.crypto import Cipher
from gatefleet.store.running import Running, running, running_at
from gatefleet.store.store import as_of, looking
from gatefleet.store.tables import gateway_group, resource

G = gateway_group.c
R = resource.c
Side = tuple[Sequence[Document], Mapping[str, Running]]
"""The documents of a group, and the versions its services run."""


def router() -> APIRouter:
    """Comparisons."""
    api = APIRouter(tags=["compare"])
    path = "/api/gateway_groups/{gateway_group_id}/compare"
    other = openapi.parameter("with", description="Another gateway group, or a revision of this one")
    then = openapi.parameter(
        "at", {"type": "integer", "minimum": 0}, "This group as it was at a revision, not as it is"
    )
    groups = openapi.parameter("gateway_group_ids", description="Ids with commas between; without it all groups")
    add(api, "GET", path, _compare, group("CompareGatewayGroup"), answers=openapi.one(), query=(other, then))
    every = system("CompareServices", filtered=True)
    add(api, "GET", "/api/compare/services", _matrix, every, answers=openapi.one(), query=(groups,))
    return api


async def _compare(request: Request) -> Response:
    """What makes the other side into this group: "added" is here and not there."""
    store, group_id, params = control(request).store, group_of(request), request.query_params
    other, at = params.get("with", ""), params.get("at", "")
    if not other:
        raise Invalid("the query parameter with is missing: a gateway group or a revision")
    if not other.isdecimal():
        await _check_reach(request, other)
    async with store.moment() as connection:
        here = await (
            _then(connection, store.cipher, group_id, "at", at) if at else _now(connection, store.cipher, group_id)
        )
        if other.isdecimal():
            there = await _then(connection, store.cipher, group_id, "with", other)
        else:
            there = await _now(connection, store.cipher, other)
    return value(await asyncio.to_thread(_compared, here, there))


async def _now(connection: AsyncConnection, cipher: Cipher, group_id: str) -> Side:
    documents = await looking(connection, cipher, group_id)
    return await documents.everything(), _of(group_id, await running(connection, [group_id]))


async def _then(connection: AsyncConnection, cipher: Cipher, group_id: str, name: str, text: str) -> Side:
    """A group at the revision that a parameter names; 0 is the empty group it began as."""
    wanted = 0 if text == "0" else number(name, text, 2**62)
    return await as_of(connection, cipher, group_id, wanted), await running_at(connection, group_id, wanted)


async def _check_reach(request: Request, other: str) -> None:
    """Forbidden for who may not read the other group."""
    visible = await visible_groups(request, "CompareGatewayGroup")
    if visible is not None and other not in visible:
        raise Forbidden(f"[{caller_of(request).name}] cannot read gateway group [{other}]")


def _of(group_id: str, versions: Mapping[tuple[str, str], Running]) -> Mapping[str, Running]:
    return {service: version for (owner, service), version in versions.items() if owner == group_id}


def _compared(here: Side, there: Side) -> dict[str, Any]:
    moved = aligned(here[0], there[0])
    ids = {before.id: after.id for before, after in zip(_services(there[0]), _services(moved), strict=True)}
    versions = {ids.get(service, service): version for service, version in there[1].items()}
    changes = diff(moved, here[0])
    touched = {service_of(Document(change.kind, change.id, change.parent, {})) for change in changes}
    mine = {service.id: service for service in _services(here[0])}
    theirs = {service.id: service for service in _services(moved)}
    services = [
        {
            "service_id": id_,
            "name": str((mine.get(id_) or theirs[id_]).body.get("name")),
            "here": _side(mine.get(id_), here[1].get(id_)),
            "there": _side(theirs.get(id_), versions.get(id_)),
            "same": id_ not in touched,
        }
        for id_ in {**mine, **theirs}
    ]
    services.sort(key=lambda service: (str(service["name"]), str(service["service_id"])))
    return {
        "same": not changes,
        "changes": [change.plain() for change in changes],
        "text": sentences(changes),
        "services": services,
    }


def _services(documents: Sequence[Document]) -> list[Document]:
    return [document for document in documents if document.kind == "services"]


def _side(service: Document | None, version: Running | None) -> dict[str, Any] | None:
    """A service on one side: None if it is not there; no version in it: it has none."""
    if service is None:
        return None
    return {"status": service.body.get("status", 1), **_version(version)}


def _version(version: Running | None) -> dict[str, Any]:
    if version is None:
        return {}
    return {"version": version.name, "service_version_id": version.version_id, "published_at": unix(version.since)}


async def _matrix(request: Request) -> Response:
    """Services by gateway groups: which version each runs where. Without a choice, of the groups one may read."""
    wanted = [part for part in request.query_params.get("gateway_group_ids", "").split(",") if part]
    visible = await visible_groups(request, "CompareServices")
    for hidden in set(wanted) - set(wanted if visible is None else visible):
        raise Forbidden(f"[{caller_of(request).name}] cannot read gateway group [{hidden}]")
    async with control(request).store.moment() as connection:
        groups = [row for row in await _groups(connection, wanted) if visible is None or row["id"] in visible]
        if groups:
            request.state.refusal = None  # what is left is the caller's to read
        versions = await running(connection, [row["id"] for row in groups])
        columns = select(R.group_id, R.id, R.body["name"].astext.label("name"), R.body["status"].label("status"))
        here = R.group_id.in_([row["id"] for row in groups])
        rows = (await connection.execute(columns.where(R.kind == "services", here).order_by(R.group_id))).all()
    services: dict[str, dict[str, Any]] = {}
    for row in rows:
        service = services.setdefault(row.id, {"service_id": row.id, "name": row.name, "groups": {}})
        status = 1 if row.status is None else row.status
        service["groups"][row.group_id] = {"status": status, **_version(versions.get((row.group_id, row.id)))}
    for service in services.values():
        known = {side.get("service_version_id") for side in service["groups"].values()}
        service["same"] = len(service["groups"]) == len(groups) and len(known) == 1 and None not in known
    ordered = sorted(services.values(), key=lambda service: (str(service["name"]), service["service_id"]))
    return value({"gateway_groups": groups, "services": ordered})


async def _groups(connection: AsyncConnection, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The groups that are asked for, in that order, or all by name; NotFound for one that is not there."""
    columns = select(G.id, G.name, G.revision).order_by(G.name)
    rows = await connection.execute(columns.where(G.id.in_(wanted)) if wanted else columns)
    found = {row.id: {"id": row.id, "name": row.name, "revision": row.revision} for row in rows}
    if missing := [group_id for group_id in wanted if group_id not in found]:
        raise NotFound(f"gateway group [{missing[0]}] not found")
    return [found[group_id] for group_id in dict.fromkeys(wanted)] if wanted else list(found.values())
