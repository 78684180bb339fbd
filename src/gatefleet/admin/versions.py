"""Reading what was released: versions and what they change, what runs where, and the history of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import openapi
from gatefleet.admin.access import group_of, visible_groups
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.present import shown
from gatefleet.admin.query import read_query
from gatefleet.admin.release import version_value
from gatefleet.admin.visible import readable_page
from gatefleet.admin.web import control, listing, unix, value
from gatefleet.errors import NotFound
from gatefleet.resources.diff import diff, sentences
from gatefleet.resources.publishing import ROUTE_KINDS, documents_of
from gatefleet.resources.secrets import masked
from gatefleet.store import Documents, Stored
from gatefleet.store.releases import Publication, Releases, Version
from gatefleet.store.tables import gateway_group

IN_GROUP: Final = "/api/gateway_groups/{gateway_group_id}/services"


def router() -> APIRouter:
    """Versions by service and by id; services of a group with what is known of their publication."""
    api = APIRouter(tags=["versions"])
    read, look = system("GetServiceVersion"), group("GetService")
    one, listed = openapi.one(), openapi.many(paged=False)
    published = system("ListPublishedServices")
    add(api, "GET", "/api/services/{id}/published_services", _published, published, answers=listed)
    add(api, "GET", "/api/services/{id}/versions", _versions, read, answers=listed)
    add(api, "GET", "/api/services/{id}/versions/{version}", _version_by_name, read, answers=one)
    add(api, "GET", "/api/services/{id}/versions/{version}/diff/{other}", _diff, read, answers=one)
    add(api, "GET", "/api/service_versions/{id}", _version, read, answers=one)
    for kind in ROUTE_KINDS:
        below = f"/api/service_versions/{{id}}/{kind}"
        add(api, "GET", below, partial(_below, kind), read, answers=listed)
        add(api, "GET", f"{below}/{{route_id}}", partial(_one_below, kind), read, answers=one)
    add(api, "GET", IN_GROUP, _in_group, group("ListService", filtered=True), answers=openapi.many())
    add(api, "GET", f"{IN_GROUP}/{{id}}", _one_in_group, look, answers=one)
    add(api, "GET", f"{IN_GROUP}/{{id}}/versions", _versions_in_group, look, answers=listed)
    add(api, "GET", f"{IN_GROUP}/{{id}}/history", _history, look, answers=listed)
    return api


async def _versions(request: Request) -> Response:
    """Every version of a service, newest first, each with the groups that run it."""
    store, service_id = control(request).store, request.path_params["id"]
    async with store.reading() as connection:
        releases = Releases(connection, store.cipher)
        rows = await releases.versions(service_id)
        if not rows and await releases.template("services", service_id) is None:
            raise NotFound(f"service [{service_id}] has neither a template nor a version")
        publications = await _visible(request, await releases.publications(service_id))
        names = await _group_names(connection)
    where: dict[str | None, list[dict[str, Any]]] = {}
    for publication in publications:
        where.setdefault(publication.version_id, []).append(
            {
                "gateway_group_id": publication.group_id,
                "gateway_group_name": names.get(publication.group_id, ""),
                "published_at": unix(publication.published_at),
            }
        )
    return listing([{**_summary(row), "gateway_groups": where.get(row.id, [])} for row in rows])


async def _diff(request: Request) -> Response:
    """What one version changes of another."""
    store, service_id = control(request).store, request.path_params["id"]
    async with store.reading() as connection:
        releases = Releases(connection, store.cipher)
        one = await _named(releases, service_id, request.path_params["version"])
        other = await _named(releases, service_id, request.path_params["other"])
    changes = diff(documents_of(service_id, one.content), documents_of(service_id, other.content))
    return value({"changes": [change.plain() for change in changes], "text": sentences(changes)})


async def _published(request: Request) -> Response:
    records: list[dict[str, Any]] = []
    store, service_id = control(request).store, request.path_params["id"]
    async with store.reading() as connection:
        releases = Releases(connection, store.cipher)
        for publication in await _visible(request, await releases.publications(service_id)):
            documents = Documents(connection, store.cipher, publication.group_id, 0)
            service = await documents.get("services", service_id)
            if service:
                records.append(await _record(connection, releases, documents, service))
    return listing(records)


async def _visible(request: Request, publications: Sequence[Publication]) -> Sequence[Publication]:
    """Those in gateway groups that the caller may read."""
    groups = await visible_groups(request)
    return [each for each in publications if groups is None or each.group_id in groups]


async def _in_group(request: Request) -> Response:
    store = control(request).store
    async with store.read(group_of(request)) as documents:
        releases = Releases(documents.connection, store.cipher)
        found = await readable_page(documents, "services", request, read_query(request))
        records = [await _record(documents.connection, releases, documents, one) for one in found.items]
        return listing(records, found.total)


async def _one_in_group(request: Request) -> Response:
    store = control(request).store
    async with store.read(group_of(request)) as documents:
        service = await documents.get("services", request.path_params["id"])
        if service is None:
            raise NotFound(f"service [{request.path_params['id']}] not found in gateway group [{documents.group_id}]")
        releases = Releases(documents.connection, store.cipher)
        return value(await _record(documents.connection, releases, documents, service))


async def _record(
    connection: AsyncConnection, releases: Releases, documents: Documents, service: Stored
) -> dict[str, Any]:
    """A service of a group with what is known of its publication; no version: it was edited on the group."""
    group_id = documents.group_id
    names = select(gateway_group.c.name).where(gateway_group.c.id == group_id)
    published = await releases.publication(group_id, service.document.id)
    version = await releases.version(published.version_id) if published and published.version_id else None
    return {
        **shown(service),
        "service_id": service.document.id,
        "gateway_group_id": group_id,
        "gateway_group_name": (await connection.execute(names)).scalar_one(),
        **({"version": version.name, "service_version_id": version.id} if version else {}),
        **({"published_at": unix(published.published_at)} if published else {}),
    }


async def _versions_in_group(request: Request) -> Response:
    """Every version the group ever ran, the last published first: what it can be rolled back to."""
    entries, rows, running = await _history_of(request)
    by_version: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if "service_version_id" in entry:
            by_version.setdefault(entry["service_version_id"], []).append(entry)
    known = {row.id: _summary(row) for row in rows}
    return listing(
        [
            {**known[id_], **_brought(deeds), "running": id_ == running, "history": deeds}
            for id_, deeds in by_version.items()
            if id_ in known
        ]
    )


def _brought(deeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Who brought a version to the group last, and when."""
    last = next((deed for deed in deeds if deed["action"] in {"publish", "sync", "rollback", "ring-promote"}), deeds[0])
    return {name: last[name] for name in ("action", "operator", "publish_time")}


async def _history(request: Request) -> Response:
    """Everything that was done to a service in a group, latest first."""
    entries, _, _ = await _history_of(request)
    return listing(entries)


async def _history_of(request: Request) -> tuple[list[dict[str, Any]], Sequence[Row[Any]], str | None]:
    """The history of a service in a group, the versions it has anywhere, and the id of the one that runs here."""
    store, service_id = control(request).store, request.path_params["id"]
    async with store.read(group_of(request)) as documents:
        releases = Releases(documents.connection, store.cipher)
        history = await releases.history(documents.group_id, service_id)
        if not history and await documents.get("services", service_id) is None:
            raise NotFound(f"service [{service_id}] not found in gateway group [{documents.group_id}]")
        publication = await releases.publication(documents.group_id, service_id)
        rows = await releases.versions(service_id)
    return [_history_entry(row) for row in history], rows, publication.version_id if publication else None


def _history_entry(row: Row[Any]) -> dict[str, Any]:
    version = {"version": row.version, "service_version_id": row.version_id} if row.version_id else {}
    source = {"source_gateway_group_id": row.source_group_id} if row.source_group_id else {}
    return {
        "id": str(row.id),
        **version,
        "action": row.action,
        "operator": row.operator,
        "note": row.note,
        "revision": row.revision,
        **source,
        "publish_time": unix(row.at),
    }


async def _version(request: Request) -> Response:
    return value(_whole(await _read_version(request)))


async def _version_by_name(request: Request) -> Response:
    store = control(request).store
    async with store.reading() as connection:
        releases = Releases(connection, store.cipher)
        version = await _named(releases, request.path_params["id"], request.path_params["version"])
    return value(_whole(version))


async def _below(kind: str, request: Request) -> Response:
    bodies = (await _read_version(request)).content.below(kind)
    return listing([{"id": key, **masked(kind, key, body)} for key, body in bodies.items()])


async def _one_below(kind: str, request: Request) -> Response:
    route_id = request.path_params["route_id"]
    body = (await _read_version(request)).content.below(kind).get(route_id)
    if body is None:
        raise NotFound(f"{kind.removesuffix('s').replace('_', ' ')} [{route_id}] not found")
    return value({"id": route_id, **masked(kind, route_id, body)})


async def _named(releases: Releases, service_id: str, name: str) -> Version:
    version = await releases.find_version(service_id, name)
    if version is None:
        raise NotFound(f"version [{name}] of service [{service_id}] not found")
    return version


async def _read_version(request: Request) -> Version:
    store = control(request).store
    async with store.reading() as connection:
        version = await Releases(connection, store.cipher).version(request.path_params["id"])
    if version is None:
        raise NotFound(f"service version [{request.path_params['id']}] not found")
    return version


def _whole(version: Version) -> dict[str, Any]:
    below = {
        kind: [{"id": key, **masked(kind, key, body)} for key, body in version.content.below(kind).items()]
        for kind in ROUTE_KINDS
        if version.content.below(kind) or kind == "routes"
    }
    return {
        **masked("services", version.service_id, version.content.service),
        **version_value(version),
        "id": version.id,
        "content_hash": version.content_hash,
        "created_by": version.created_by,
        **below,
        "created_at": unix(version.created_at),
    }


def _summary(row: Row[Any]) -> dict[str, Any]:
    """A version without what it holds."""
    return {
        "id": row.id,
        "service_version_id": row.id,
        "service_id": row.service_id,
        "version": row.version,
        "number": row.number,
        "content_hash": row.content_hash,
        "note": row.note,
        "rollback_note": row.rollback_note,
        "owner": row.owner,
        "created_by": row.created_by,
        "created_at": unix(row.created_at),
    }


async def _group_names(connection: AsyncConnection) -> Mapping[str, str]:
    rows = await connection.execute(select(gateway_group.c.id, gateway_group.c.name))
    return {row.id: row.name for row in rows}
