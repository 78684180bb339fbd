"""OpenAPI in and out: previews, service templates from documents, and documents from service templates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gatefleet.admin import audit
from gatefleet.admin.endpoint import add, system
from gatefleet.admin.openapi import OBJECT, TEXT, one, parameter
from gatefleet.admin.openapi_export import Service, exported
from gatefleet.admin.openapi_import import Imported, imported
from gatefleet.admin.openapi_read import checked, read, storable
from gatefleet.admin.present import shown
from gatefleet.admin.servable import check_servable
from gatefleet.admin.web import answer, control, read_shape, read_text, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from gatefleet.resources.diff import MASK
from gatefleet.resources.messages import error_at
from gatefleet.resources.secrets import masked, secret_paths, value_at
from gatefleet.store import Query, Stored
from gatefleet.store.releases import Releases

OWN: Final = frozenset({"id", "service_id", "created_at", "updated_at"})
SCOPES: Final = ("partial", "all")
SHOWN_PROBLEMS: Final = 10


class Raw(msgspec.Struct):
    """An OpenAPI document as text, JSON or YAML."""

    raw_openapi: str


class Info(msgspec.Struct, omit_defaults=True):
    title: str = ""
    version: str = "1.0.0"
    desc: str = ""
    description: str = ""


class Server(msgspec.Struct, omit_defaults=True):
    url: str
    desc: str = ""
    description: str = ""


class Export(msgspec.Struct):
    """Which services, and what the document says of itself."""

    service_ids: list[str] = []
    info: Info = msgspec.field(default_factory=Info)
    servers: list[Server] = []


def router() -> APIRouter:
    api = APIRouter(tags=["openapi"])
    scope = parameter("scope", {"enum": list(SCOPES)}, "`all` service templates, or those of service_ids (partial)")
    ids = parameter("service_ids", TEXT, "Ids of service templates, separated by commas")
    add(api, "PUT", "/api/openapi/convert", _convert, system("ConvertOpenApi"), body=Raw, answers=one())
    add(api, "POST", "/api/import/services/template", _import, system("ImportService"), body=OBJECT, answers=one())
    add(api, "GET", "/api/export/services", _export, system("ExportService"), query=(scope, ids), answers=one())
    add(
        api,
        "POST",
        "/api/export/services",
        _export,
        system("ExportService"),
        body=Export,
        query=(scope,),
        answers=one(),
    )
    return api


async def _convert(request: Request) -> Response:
    """The service and routes a document describes; nothing is stored."""
    found = await run_in_threadpool(_understood, (await read_shape(request, Raw)).raw_openapi)
    await run_in_threadpool(_documents, found)
    return _answered(found.preview(), found)


async def _import(request: Request) -> Response:
    """A new service template with its routes.

    From an OpenAPI document (JSON or YAML, as the body or in `raw_openapi`), or from a preview, as it is or edited.
    """
    found = await run_in_threadpool(_understood, await read_text(request))
    service, routes = await run_in_threadpool(_documents, found)
    hidden = [error for document in (service, *routes) for error in _stars(document)]
    if hidden:
        raise Invalid("; ".join(hidden[:SHOWN_PROBLEMS]))
    async with audit.transact(request) as connection:
        releases = Releases(connection, control(request).store.cipher)
        stored = [await releases.put_template(document) for document in (service, *routes)]
        told = {**shown(stored[0]), "routes": list(map(shown, stored[1:]))}
        said = masked("services", service.id, service.body)
        audit.note(request, "services/template", service.id, said, answer=told)
    return _answered(told, found)


async def _export(request: Request) -> Response:
    """Service templates with their routes as one OpenAPI document, in the answer's `value`; secrets as stars."""
    if request.method == "POST":
        wanted = await read_shape(request, Export)
    else:
        listed = request.query_params.get("service_ids", "")
        wanted = Export(service_ids=[id_ for id_ in listed.split(",") if id_])
    scope = request.query_params.get("scope") or ("partial" if wanted.service_ids else "all")
    if scope not in SCOPES:
        raise Invalid(f"scope must be {' or '.join(SCOPES)}")
    async with control(request).store.reading() as connection:
        releases = Releases(connection, control(request).store.cipher)
        services = await _services(releases, None if scope == "all" else wanted.service_ids)
    info = {"title": wanted.info.title or _title(services), "version": wanted.info.version}
    if said := wanted.info.description or wanted.info.desc:
        info["description"] = said
    await audit.reveal(request, "services/template", ",".join(wanted.service_ids) or "*", {"scope": scope})
    return value(exported(services, info, list(map(_server, wanted.servers))))


def _understood(text: str) -> Imported:
    """What a request's text means: a document, a document in `raw_openapi`, or a preview."""
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return imported(read(text))
    match body:
        case {"raw_openapi": str(raw)}:
            return imported(read(raw))
        case {"routes": list(), "name": _} if "openapi" not in body:
            storable(body)
            return _preview(cast("dict[str, Any]", body))
        case _:
            return imported(checked(body))


def _preview(body: dict[str, Any]) -> Imported:
    """What a preview says, as it was answered or edited."""
    routes = cast("list[Any]", body["routes"])
    if not all(isinstance(route, dict) for route in routes):
        raise Invalid('Error at "/routes": every item must be an object')
    return Imported({key: part for key, part in body.items() if key != "routes"}, routes)


def _stars(document: Document) -> Iterator[str]:
    """Where an exported document says that a secret stood."""
    for path in secret_paths(document.kind, document.id, document.body):
        if value_at(document.body, path) == MASK:
            at = error_at(path, f"put the secret in place of {MASK}")
            yield f"{document.kind.removesuffix('s')} [{document.body.get('name')}]: {at}"


def _documents(found: Imported) -> tuple[Document, list[Document]]:
    """The service and routes to store, under new ids. Invalid with the first problems of all of them."""
    id_ = str(uuid4())
    bodies = [("services", id_, found.service)]
    bodies += [("routes", str(uuid4()), {**route, "service_id": id_}) for route in found.routes]
    made: list[Document] = []
    problems: list[str] = []
    for kind, new, body in bodies:
        try:
            accepted = accept(kind, new, {key: part for key, part in body.items() if key not in OWN - {"service_id"}})
            made.append(Document(kind, new, None if kind == "services" else id_, accepted))
            check_servable(made[-1])
        except Invalid as error:
            problems.append(f"{kind.removesuffix('s')} [{body.get('name')}]: {error}")
    if problems:
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise Invalid("; ".join(problems[:SHOWN_PROBLEMS]) + more)
    return made[0], made[1:]


async def _services(releases: Releases, ids: Sequence[str] | None) -> list[Service]:
    found, _ = await releases.templates("services", Query(descending=False))
    held = {stored.document.id: stored for stored in found}
    missing = [id_ for id_ in ids or () if id_ not in held]
    if missing:
        raise NotFound(f"service template [{missing[0]}] not found")
    chosen = [held[id_] for id_ in dict.fromkeys(ids)] if ids is not None else _of_type_http(found)
    if not chosen:
        raise Invalid("there is nothing to export: give service_ids, or scope=all")
    return [(_plain(stored), await _routes(releases, stored.document.id)) for stored in chosen]


def _of_type_http(found: Sequence[Stored]) -> list[Stored]:
    return [stored for stored in found if stored.document.body.get("type") != "stream"]


async def _routes(releases: Releases, service_id: str) -> list[Mapping[str, Any]]:
    found, _ = await releases.templates("routes", Query(parent=service_id, descending=False))
    return [_plain(stored) for stored in found]


def _plain(stored: Stored) -> Mapping[str, Any]:
    document = stored.document
    body = masked(document.kind, document.id, document.body)
    return {key: part for key, part in body.items() if key not in OWN}


def _title(services: Sequence[Service]) -> str:
    return ", ".join(_names(services))[:200]


def _names(services: Sequence[Service]) -> Iterator[str]:
    return (str(service.get("name")) for service, _ in services)


def _server(server: Server) -> dict[str, str]:
    said = server.description or server.desc
    return {"url": server.url, **({"description": said} if said else {})}


def _answered(content: Mapping[str, Any], found: Imported) -> Response:
    said = {"warning_msg": "; ".join(found.warnings)} if found.warnings else {}
    return answer({"value": content, **said})
