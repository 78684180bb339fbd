"""One CRUD engine over the table of kinds: list, create, read, replace, patch, delete, below /apisix/admin."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit, kind_schemas, openapi
from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.openapi import PATCH, TEXT, TIME
from gatefleet.admin.patch import patched
from gatefleet.admin.preconditions import refuse_if_changed, tag, tagged
from gatefleet.admin.present import default_upstream, shown
from gatefleet.admin.publication import edited, guard
from gatefleet.admin.publish_info import publish_info
from gatefleet.admin.query import flag, read_query
from gatefleet.admin.relations import admit, refuse_if_used
from gatefleet.admin.reveal import Reveal
from gatefleet.admin.servable import check_servable
from gatefleet.admin.trial import tried
from gatefleet.admin.visible import FILTERED, readable_page, reveals
from gatefleet.admin.web import control, listing, nothing, read_json, read_object, value
from gatefleet.errors import Conflict, Invalid, NotFound
from gatefleet.resources import KINDS, Document, Kind, document_key
from gatefleet.resources.accept import accept
from gatefleet.resources.kept import concealed, holds_stars, marked, refuse_left_stars, restored
from gatefleet.resources.relations import references
from gatefleet.resources.secrets import masked
from gatefleet.resources.shape import ID_PATTERN
from gatefleet.store import Documents, Stored
from gatefleet.store.store import looking

DRY_RUN: Final = (openapi.parameter("dry_run", {"type": "boolean"}, "Only say what it would change"),)
PUBLISHED: Final = frozenset({"services", "routes", "stream_routes"})
INFO: Final = {"with_publish_info": {"enum": ["true", "false"]}}
FILTERS: Final[Mapping[str, Mapping[str, openapi.Schema]]] = {
    "services": {"name": TEXT, "type": {"enum": ["http", "stream"]}, "hosts": TEXT, **INFO},
    "routes": INFO,
    "stream_routes": INFO,
    "credentials": {"plugin_name": TEXT},
    "certificates": {"sni_id": TEXT, "sni_name": TEXT, "exptime": TIME},
    "ca_certificates": {"sni_id": TEXT, "sni_name": TEXT, "exptime": TIME},
    "snis": {"domain": TEXT, "mtls_enabled": {"enum": ["true", "false"]}},
}
"""Filters of lists that not all kinds have."""
ID: Final = re.compile(ID_PATTERN)
MAX_ID: Final = 256


def routers() -> list[APIRouter]:
    """A router per kind; service registries stand at a second address, too, where admin.registries reads them."""
    ways = [_router(kind, f"/apisix/admin{_collection(kind)}") for kind in KINDS.values()]
    written = _router(KINDS["service_registries"], "/api/gateway_groups/{gateway_group_id}/service_registries")
    written.routes[:] = [
        way for way in written.routes if isinstance(way, APIRoute) and "GET" not in (way.methods or ())
    ]
    return [*ways, written]


def _router(kind: Kind, prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=[kind.path])
    name = "".join(word.capitalize() for word in kind.singular.split("_"))
    one, body, answers = f"/{kind.id_path}", kind_schemas.sent(kind), openapi.one(kind_schemas.shown(kind))
    done = openapi.one({"anyOf": [kind_schemas.shown(kind), {"required": ["dry_run"]}]})
    listed = _list_metadata if kind.path == "plugin_metadata" else _list
    access = group(f"List{name}", filtered=kind.path in FILTERED)
    add(router, "GET", "", partial(listed, kind), access, answers=_answers_list(kind), query=_query(kind))
    if kind.path != "plugin_metadata" and "/" not in kind.id_path:
        add(router, "POST", "", partial(_create, kind), group(f"Create{name}"), body=body, answers=done, query=DRY_RUN)
    if kind.key == "username":
        add(
            router,
            "PUT",
            "",
            partial(_put_by_body, kind),
            group(f"Update{name}"),
            body=body,
            answers=done,
            query=DRY_RUN,
        )
    add(router, "GET", one, partial(_get, kind), group(f"Get{name}"), answers=answers)
    add(router, "PUT", one, partial(_put, kind), group(f"Update{name}"), body=body, answers=done, query=DRY_RUN)
    add(router, "PATCH", one, partial(_patch, kind), group(f"Update{name}"), body=PATCH, query=DRY_RUN)
    gone = openapi.exactly({"anyOf": [openapi.NOTHING.schema, openapi.one().schema]})
    add(router, "DELETE", one, partial(_delete, kind), group(f"Delete{name}"), answers=gone, query=DRY_RUN)
    return router


def _answers_list(kind: Kind) -> openapi.Answer:
    return openapi.one() if kind.path == "plugin_metadata" else openapi.many(kind_schemas.shown(kind))


def _query(kind: Kind) -> list[openapi.Parameter]:
    """The filters of a kind's list."""
    owner = [openapi.parameter(kind.owner.field)] if kind.owner and kind.owner.field else []
    own = [openapi.parameter(name, schema) for name, schema in FILTERS.get(kind.path, {}).items()]
    return [*owner, *(openapi.LABELS if kind.labelled else ()), *own]


def _collection(kind: Kind) -> str:
    return f"/{kind.owner.kind}/{{owner_id}}/{kind.path}" if kind.owner and kind.nested else f"/{kind.path}"


async def _list(kind: Kind, request: Request) -> Response:
    parent = request.path_params.get("owner_id") if kind.nested else None
    if kind.owner and kind.owner.field:
        parent = request.query_params.get(kind.owner.field)
    async with control(request).store.read(group_of(request)) as documents:
        default = await _default_upstream(kind, documents, parent)
        query, reveal = read_query(request, parent), Reveal(request)
        found = await readable_page(documents, kind.path, request, query)
        items = [reveal.shown(stored, clear=clear) for stored, clear in zip(found.items, found.clear, strict=True)]
        if kind.path in PUBLISHED and request.query_params.get("with_publish_info") == "true":
            info = await publish_info(documents)
            items = [{**item, **info.get(item.get("service_id", item["id"]), {})} for item in items]
    await reveal.account(kind.path, parent)
    first = [default] if default and query.page == 1 else []
    return listing([*first, *items], found.total + bool(default))


async def _list_metadata(kind: Kind, request: Request) -> Response:
    async with control(request).store.read(group_of(request)) as documents:
        found, _ = await documents.list(kind.path)
    reveal = Reveal(request)
    items = {stored.document.id: reveal.shown(stored, clear=reveals(request)) for stored in found}
    await reveal.account(kind.path, None)
    return value(items)


async def _get(kind: Kind, request: Request) -> Response:
    id_, parent = _id(request, kind), request.path_params.get("owner_id")
    async with control(request).store.read(group_of(request)) as documents:
        if kind.path == "upstreams" and id_ == parent:
            default = await _default_upstream(kind, documents, parent)
            if default:
                return value(default)
        stored = await _existing(documents, kind, id_, parent)
    reveal = Reveal(request)
    answered = reveal.shown(stored, clear=reveals(request))
    await reveal.account(kind.path, id_)
    return tagged(tag(stored), answered)


async def _create(kind: Kind, request: Request) -> Response:
    body = await read_object(request)
    return await _write(kind, request, _key_of_body(kind, body) or str(uuid4()), body, new=True)


async def _put(kind: Kind, request: Request) -> Response:
    body = await read_object(request)
    named = _key_of_body(kind, body) if kind.key == "username" and "username" in body else None
    if named not in {None, _id(request, kind)}:
        raise Invalid('Error at "/username": value is not the username of the path')
    return await _write(kind, request, _id(request, kind), body)


async def _put_by_body(kind: Kind, request: Request) -> Response:
    body = await read_object(request)
    return await _write(kind, request, str(_key_of_body(kind, body)), body)


async def _write(kind: Kind, request: Request, id_: str, body: Mapping[str, Any], *, new: bool = False) -> Response:
    _check_id(id_, kind)
    document = _accepted(kind, request, id_, await _unstarred(kind, request, id_, body))
    if kind.path == "upstreams" and id_ == document.parent:
        raise Invalid(f"upstream [{id_}] is the service's own: change it with PUT /apisix/admin/services/{id_}")
    if flag(request, "dry_run"):
        async with control(request).store.moment() as connection:
            return value(await _try(request, connection, document, new=new))
    async with audit.change_group(request) as documents:
        stored = await _store(request, documents, document, new=new)
        return tagged(tag(stored), shown(stored, clear=reveals(request)))


async def _unstarred(kind: Kind, request: Request, id_: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with the stored secrets in place of stars."""
    if not holds_stars(body):
        return body
    async with control(request).store.read(group_of(request)) as documents:
        stored = await documents.get(kind.path, document_key(kind, id_, request.path_params.get("owner_id")))
    return restored(stored.document if stored else None, body)


async def _patch(kind: Kind, request: Request) -> Response:
    patch = await read_json(request)
    id_, owner = _id(request, kind), request.path_params.get("owner_id")
    if flag(request, "dry_run"):
        async with control(request).store.moment() as connection:
            documents = await looking(connection, control(request).store.cipher, group_of(request))
            document = _patched(kind, request, await _existing(documents, kind, id_, owner), patch)
            return value(await _try(request, connection, document))
    async with audit.change_group(request) as documents:
        document = _patched(kind, request, await _existing(documents, kind, id_, owner), patch)
        stored = await _store(request, documents, document)
        return tagged(tag(stored), shown(stored, clear=reveals(request)))


def _patched(kind: Kind, request: Request, stored: Stored, patch: Any) -> Document:
    """The document with a patch that cannot carry secrets to where they could be read."""
    body = patched(marked(stored.document), patch)
    return _accepted(kind, request, stored.document.id, restored(stored.document, body))


async def _delete(kind: Kind, request: Request) -> Response:
    id_, owner = _id(request, kind), request.path_params.get("owner_id")
    if flag(request, "dry_run"):
        async with control(request).store.moment() as connection:
            documents = await looking(connection, control(request).store.cipher, group_of(request))
            stored = await _existing(documents, kind, id_, owner)
            await refuse_if_used(documents, kind.path, id_)
            return value(await tried(documents, control(request).store.cipher, stored.document, gone=True))
    async with audit.change_group(request) as documents:
        stored = await _existing(documents, kind, id_, owner)
        refuse_if_changed(request, stored)
        await guard(documents, stored.document, gone=True)
        await refuse_if_used(documents, kind.path, id_)
        await documents.delete(kind.path, document_key(kind, id_, owner))
        await edited(documents, stored.document, request)
        audit.note(request, kind.path, id_)
    return nothing()


async def _store(request: Request, documents: Documents, document: Document, *, new: bool = False) -> Stored:
    kind = KINDS[document.kind]
    await guard(documents, document)
    before = await admit(documents, document, new=new)
    if new and before:
        raise Conflict(f"{kind.singular} [{document.key}] already exists; use PUT to replace it")
    if "if-match" in request.headers:
        refuse_if_changed(request, await documents.get(document.kind, document.key))
    await _fits_others(documents, document)
    stored = await documents.put(document)
    await edited(documents, document, request)
    if before and before.parent not in {None, document.parent}:
        await edited(documents, replace(document, parent=before.parent), request)
    said = masked(kind.path, document.id, document.body)
    audit.note(request, kind.path, document.id, said, answer=shown(stored))
    return stored


async def _fits_others(documents: Documents, document: Document) -> None:
    """Invalid for what does not fit the documents it names.

    A stream route may ask for what its service's transport cannot carry: UDP has no TLS, no connections to count. A
    plugin may name a method that the protobuf definition does not have.
    """
    if document.kind == "stream_routes" and (service := await documents.get("services", str(document.parent))):
        check_servable(document, service.document.body)
    named = {found.id for found in references(document.kind, document.body) if found.kind == "protos"}
    if named:
        held = [await documents.get("protos", id_) for id_ in sorted(named)]
        check_servable(document, protos={s.document.id: str(s.document.body["content"]) for s in held if s})


async def _try(
    request: Request, connection: AsyncConnection, document: Document, *, new: bool = False
) -> dict[str, Any]:
    """What storing the document would change."""
    cipher = control(request).store.cipher
    documents = await looking(connection, cipher, group_of(request))
    before = await admit(documents, document, new=new)
    if new and before:
        raise Conflict(f"{KINDS[document.kind].singular} [{document.key}] already exists; use PUT to replace it")
    return await tried(documents, cipher, document, moved_from=before.parent if before else None)


def _accepted(kind: Kind, request: Request, id_: str, body: Mapping[str, Any]) -> Document:
    accepted = accept(kind.path, id_, body)
    refuse_left_stars(kind.path, id_, accepted)
    document = Document(kind.path, id_, _parent(kind, request, accepted), accepted)
    check_servable(document)
    return document


async def _existing(documents: Documents, kind: Kind, id_: str, parent: str | None) -> Stored:
    stored = await documents.get(kind.path, document_key(kind, id_, parent))
    if stored is None:
        raise NotFound(f"{kind.singular} [{id_}] not found")
    return stored


async def _default_upstream(kind: Kind, documents: Documents, parent: str | None) -> dict[str, Any] | None:
    """For a nested list: its owner must be there; a service's own upstream is one of its upstreams."""
    if not kind.nested or kind.owner is None or parent is None:
        return None
    owner = await _existing(documents, KINDS[kind.owner.kind], parent, None)
    body = concealed(owner.document, owner.secrets)
    return default_upstream(parent, body, owner) if kind.path == "upstreams" else None


def _parent(kind: Kind, request: Request, body: Mapping[str, Any]) -> str | None:
    if kind.owner is None:
        return None
    return str(body[kind.owner.field]) if kind.owner.field else request.path_params["owner_id"]


def _key_of_body(kind: Kind, body: Mapping[str, Any]) -> str | None:
    """The key of kinds whose body names it: a consumer's username, a global rule's one plugin."""
    if kind.key == "username":
        username = body.get("username")
        if not isinstance(username, str):
            problem = 'property "username" is missing' if username is None else "value must be a string"
            raise Invalid(f'Error at "/username": {problem}')
        return username
    if kind.key == "plugin":
        plugins = cast("dict[str, Any]", body["plugins"]) if isinstance(body.get("plugins"), dict) else {}
        if len(plugins) != 1:
            raise Invalid('Error at "/plugins": a global rule holds exactly one plugin')
        return next(iter(plugins))
    return None


def _id(request: Request, kind: Kind) -> str:
    return kind.id_path.format_map(request.path_params)


def _check_id(id_: str, kind: Kind) -> None:
    parts = id_.split("/", kind.id_path.count("/"))
    if not all(map(ID.match, parts)) or len(id_) > MAX_ID:
        raise Invalid(f'Error at "/id": string doesn\'t match the regular expression "{ID_PATTERN}" (1 to {MAX_ID})')
