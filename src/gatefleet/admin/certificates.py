"""What certificates can be asked: what they say, whether a key is theirs, who uses them, and filters of their lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from gatefleet.admin.access import Access, Reach
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.openapi import TEXT, many, one, parameter
from gatefleet.admin.query import number, read_query
from gatefleet.admin.relations import users
from gatefleet.admin.web import control, listing, read_shape, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources import KINDS
from gatefleet.resources.certificate import described, pair_problem
from gatefleet.store import Documents, Query, Stored

REFERRED: Final = ("certificates", "ca_certificates", "secret_providers", "protos")
"""Kinds whose users can be asked for."""
Keep = Callable[[Stored], bool]


class Pem(msgspec.Struct):
    cert: str


class Pair(msgspec.Struct):
    cert: str
    key: str


def router() -> APIRouter:
    api = APIRouter(tags=["certificates"])
    parse, check = Access("ParseCertificate", Reach.ANY), Access("ValidateCertificateKey", Reach.ANY)
    add(api, "PUT", "/api/parse_certificate", _parse, parse, body=Pem, answers=one())
    add(api, "PUT", "/api/validate_cert_key", _validate, check, body=Pair, answers=one())
    for path in REFERRED:
        kind = KINDS[path]
        name = "".join(word.capitalize() for word in kind.singular.split("_"))
        asked = parameter("resource_type", TEXT, "Only users of this kind")
        where = f"/api/gateway_groups/{{gateway_group_id}}/{path}/{kind.id_path}/usage"
        add(api, "GET", where, partial(_usage, path), group(f"Get{name}Usage"), answers=many(), query=[asked])
    return api


async def narrowed(documents: Documents, kind: str, request: Request, query: Query) -> tuple[Sequence[Stored], int]:
    """A page of a list, which of certificates and SNIs holds those that pass the filters only these kinds have."""
    keep = [test for test in await _tests(documents, kind, request) if test]
    if not keep:
        return await documents.list(kind, query)
    found, _ = await documents.list(kind, replace(query, page=1, page_size=None))
    left = [stored for stored in found if all(test(stored) for test in keep)]
    size = query.page_size or len(left)
    return left[(query.page - 1) * size : query.page * size], len(left)


async def _tests(documents: Documents, kind: str, request: Request) -> list[Keep | None]:
    params = request.query_params
    if kind == "snis":
        return [_domain(params.get("domain")), _mtls(params.get("mtls_enabled"))]
    if kind not in {"certificates", "ca_certificates"}:
        return []
    shown = await _shown_by(documents, kind, params.get("sni_id"), params.get("sni_name"))
    return [shown, _expiring(params.get("exptime"))]


def _domain(asked: str | None) -> Keep | None:
    return (lambda stored: asked.lower() in stored.document.body["domain"].lower()) if asked else None


def _mtls(asked: str | None) -> Keep | None:
    if not asked:
        return None
    if asked not in {"true", "false"}:
        raise Invalid("mtls_enabled must be true or false")
    return lambda stored: bool(_mtls_of(stored).get("enabled")) is (asked == "true")


def _mtls_of(sni: Stored) -> Mapping[str, Any]:
    return sni.document.body.get("mtls") or {}


def _expiring(asked: str | None) -> Keep | None:
    """`exptime`: what has expired by then, in Unix seconds."""
    if not asked:
        return None
    by = number("exptime", asked, largest=2**53)
    return lambda stored: described(stored.document.body["cert"]).get("not_after", by + 1) <= by


async def _shown_by(documents: Documents, kind: str, sni_id: str | None, sni_name: str | None) -> Keep | None:
    if not (sni_id or sni_name):
        return None
    snis, _ = await documents.list("snis", Query(name=sni_name or None))
    asked = [stored for stored in snis if sni_id in {None, "", stored.document.id}]
    own = [stored.document.body if kind == "certificates" else _mtls_of(stored) for stored in asked]
    ids: set[str] = {named for body in own for named in body.get(kind) or ()}
    return lambda stored: stored.document.id in ids


async def _parse(request: Request) -> Response:
    return value(described((await read_shape(request, Pem)).cert))


async def _validate(request: Request) -> Response:
    pair = await read_shape(request, Pair)
    if problem := pair_problem(pair.cert, pair.key):
        raise Invalid(f'Error at "/cert": {problem}')
    return value(described(pair.cert))


async def _usage(kind: str, request: Request) -> Response:
    """Who refers to it; `resource_type` asks for one kind only."""
    params = request.path_params
    id_ = KINDS[kind].id_path.format_map(params)
    query, asked = read_query(request), request.query_params.get("resource_type")
    async with control(request).store.read(params["gateway_group_id"]) as documents:
        if await documents.get(kind, id_) is None:
            raise NotFound(f"{KINDS[kind].singular.replace('_', ' ')} [{id_}] not found")
        found = [user for user in await users(documents, kind, id_) if asked in {None, "", user[0]}]
        size = query.page_size or len(found)
        page = found[(query.page - 1) * size : query.page * size]
        return listing([await _user(documents, *user) for user in page], len(found))


async def _user(documents: Documents, kind: str, key: str) -> dict[str, Any]:
    stored = await documents.get(kind, key)
    body: Mapping[str, Any] = stored.document.body if stored else {}
    return {"resource_type": kind, "id": key, **{part: body[part] for part in ("name", "domain") if part in body}}
