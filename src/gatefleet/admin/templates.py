"""Service templates and their routes (/api/services/template, /api/routes/template): what versions are made from."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from gatefleet.admin import audit
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.patch import patched
from gatefleet.admin.present import shown
from gatefleet.admin.query import read_query
from gatefleet.admin.servable import check_servable
from gatefleet.admin.web import answer, control, listing, read_json, read_object, unix, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from gatefleet.resources.secrets import masked
from gatefleet.store import Stored
from gatefleet.store.releases import Releases

NAMES = {"services": "service template", "routes": "route template"}


def router() -> APIRouter:
    """CRUD of both kinds of templates."""
    api = APIRouter(tags=["templates"])
    for kind, path in (("services", "/api/services/template"), ("routes", "/api/routes/template")):
        name = "".join(word.capitalize() for word in NAMES[kind].split())
        add(api, "GET", path, partial(_list, kind), system(f"List{name}"))
        add(api, "POST", path, partial(_create, kind), system(f"Create{name}"))
        add(api, "GET", f"{path}/{{id}}", partial(_get, kind), system(f"Get{name}"))
        add(api, "PUT", f"{path}/{{id}}", partial(_put, kind), system(f"Update{name}"))
        add(api, "PATCH", f"{path}/{{id}}", partial(_patch, kind), system(f"Update{name}"))
        add(api, "DELETE", f"{path}/{{id}}", partial(_delete, kind), system(f"Delete{name}"))
    return api


async def existing(releases: Releases, kind: str, id_: str) -> Stored:
    """A template; NotFound if there is none."""
    stored = await releases.template(kind, id_)
    if stored is None:
        raise NotFound(f"{NAMES[kind]} [{id_}] not found")
    return stored


async def _list(kind: str, request: Request) -> Response:
    query = read_query(request, request.query_params.get("service_id") if kind == "routes" else None)
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        found, total = await releases.templates(kind, query)
        return listing([await _shown(releases, stored) for stored in found], total)


async def _get(kind: str, request: Request) -> Response:
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        return value(await _shown(releases, await existing(releases, kind, request.path_params["id"])))


async def _create(kind: str, request: Request) -> Response:
    return await _write(kind, request, str(uuid4()), await read_object(request))


async def _put(kind: str, request: Request) -> Response:
    body = await read_object(request)
    async with control(request).store.reading() as connection:
        await existing(Releases(connection, control(request).store.cipher), kind, request.path_params["id"])
    return await _write(kind, request, request.path_params["id"], body)


async def _patch(kind: str, request: Request) -> Response:
    patch = await read_json(request)
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        stored = await existing(releases, kind, request.path_params["id"])
    return await _write(kind, request, stored.document.id, patched(stored.document.body, patch))


async def _write(kind: str, request: Request, id_: str, body: Mapping[str, Any]) -> Response:
    accepted = accept(kind, id_, body)
    parent = str(accepted["service_id"]) if kind == "routes" else None
    document = Document(kind, id_, parent, accepted)
    check_servable(document)
    async with audit.transact(request) as connection:
        releases = Releases(connection, control(request).store.cipher)
        if parent is not None and await releases.template("services", parent) is None:
            raise Invalid(f'Error at "/service_id": {NAMES["services"]} [{parent}] not found')
        stored = await releases.put_template(document)
        audit.note(request, f"{kind}/template", id_, masked(kind, id_, accepted))
        return value(await _shown(releases, stored))


async def _delete(kind: str, request: Request) -> Response:
    id_ = request.path_params["id"]
    async with audit.transact(request) as connection:
        releases = Releases(connection, control(request).store.cipher)
        await existing(releases, kind, id_)
        groups = ", ".join(f"[{publication.group_id}]" for publication in await releases.publications(id_))
        if groups and kind == "services":
            raise Invalid(f"{NAMES[kind]} [{id_}] cannot be deleted: gateway groups {groups} are still using it")
        await releases.delete_template(kind, id_)
        audit.note(request, f"{kind}/template", id_)
    return answer({})


async def _shown(releases: Releases, stored: Stored) -> dict[str, Any]:
    if stored.document.kind == "routes":
        return shown(stored)
    published = await releases.publications(stored.document.id)
    last = {"last_published": unix(published[0].published_at)} if published else {}
    return {**shown(stored), **last, "published_gateway_groups_count": len(published)}
