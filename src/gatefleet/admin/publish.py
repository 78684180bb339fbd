"""Publishing service templates as versions to gateway groups, and what is published where."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit
from gatefleet.admin.access import caller_of, group_of
from gatefleet.admin.conflicts import conflicts
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.patch import patched
from gatefleet.admin.present import shown
from gatefleet.admin.query import read_query
from gatefleet.admin.servable import check_servable
from gatefleet.admin.templates import existing
from gatefleet.admin.web import answer, control, listing, read_json, read_shape, unix, value
from gatefleet.errors import Invalid, NotFound
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from gatefleet.resources.publishing import RUNTIME, Content, content_of, publish, runtime_of
from gatefleet.resources.secrets import masked
from gatefleet.store import Author, Documents, Query, Stored
from gatefleet.store.releases import Releases, Version
from gatefleet.store.store import changing
from gatefleet.store.tables import gateway_group


class Item(msgspec.Struct, omit_defaults=True):
    """One service of a publication; what is set besides ids is the group's runtime configuration."""

    service_id: str
    version: str = ""
    service_version_id: str = ""
    name: str | None = None
    plugins: dict[str, dict[str, Any]] | None = None
    hosts: list[str] | None = None
    path_prefix: str | None = None
    strip_path_prefix: bool | None = None
    upstream: dict[str, Any] | None = None
    status: int | None = None

    def runtime(self) -> dict[str, Any]:
        """The runtime configuration the request sets."""
        return {name: part for name in RUNTIME if (part := getattr(self, name)) is not None}


class Order(msgspec.Struct):
    """The body of a publication."""

    services: list[Item]
    create_new_version: bool = False
    gateway_group_id: str = ""
    gateway_group_ids: list[str] = []

    def groups(self) -> list[str]:
        """Every group once, in an order that two publications share, so that they never wait for each other."""
        named = {*self.gateway_group_ids, self.gateway_group_id} - {""}
        if not named:
            raise Invalid('Error at "/gateway_group_id": property "gateway_group_id" is missing')
        return sorted(named)


def router() -> APIRouter:
    """Publications, versions, and the dashboard's view of a group's services."""
    api = APIRouter(tags=["publishing"])
    in_group = "/api/gateway_groups/{gateway_group_id}/services"
    add(api, "POST", "/api/services/publish", _publish, system("PublishServices"))
    add(api, "POST", "/api/services/conflict_check", _conflict_check, system("CheckServiceConflicts"))
    add(api, "GET", "/api/services/{id}/published_services", _published, system("ListPublishedServices"))
    add(api, "GET", "/api/services/{id}/versions/{version}", _version_by_name, system("GetServiceVersion"))
    add(api, "GET", "/api/service_versions/{id}", _version, system("GetServiceVersion"))
    add(api, "GET", "/api/service_versions/{id}/routes", _version_routes, system("GetServiceVersion"))
    add(api, "GET", "/api/service_versions/{id}/routes/{route_id}", _version_route, system("GetServiceVersion"))
    add(api, "GET", in_group, _in_group, group("ListService"))
    add(api, "GET", f"{in_group}/{{id}}", _one_in_group, group("GetService"))
    add(api, "GET", f"{in_group}/{{id}}/versions", _history, group("GetService"))
    add(api, "GET", f"{in_group}/{{id}}/runtime_configuration", _runtime, group("GetService"))
    add(api, "PATCH", f"{in_group}/{{id}}/runtime_configuration", _patch_runtime, group("UpdateServiceRuntime"))
    add(api, "DELETE", f"{in_group}/{{id}}", _offline, group("DeleteService"))
    return api


async def _publish(request: Request) -> Response:
    order = await read_shape(request, Order)
    author = Author(caller_of(request).name, request.state.request_id)
    cipher = control(request).store.cipher
    async with audit.transact(request) as connection, AsyncExitStack() as stack:
        releases = Releases(connection, cipher)
        groups = [await stack.enter_async_context(changing(connection, cipher, id_, author)) for id_ in order.groups()]
        for item in order.services:
            version = await _wanted_version(releases, item, new=order.create_new_version)
            for documents in groups:
                await _bring(documents, releases, item, version, author.operator)
        services = ",".join(item.service_id for item in order.services)
        audit.note(request, "services/publish", services, {"gateway_groups": order.groups()})
    return value({})


async def _wanted_version(releases: Releases, item: Item, *, new: bool) -> Version:
    """The version an item means: a new one of the template as it is, or an existing one."""
    if new:
        return await _new_version(releases, item)
    if item.plugins is not None or item.name is not None:
        raise Invalid(
            "name and plugins belong to a version, which never changes; set create_new_version to change them"
        )
    version = (
        await releases.version(item.service_version_id)
        if item.service_version_id
        else await releases.find_version(item.service_id, item.version)
    )
    if version is None or version.service_id != item.service_id:
        raise NotFound(f"version [{item.service_version_id or item.version}] of service [{item.service_id}] not found")
    return version


async def _new_version(releases: Releases, item: Item) -> Version:
    if not item.version:
        raise Invalid('Error at "/services/0/version": property "version" is missing')
    template = await existing(releases, "services", item.service_id)
    routes, _ = await releases.templates("routes", Query(parent=item.service_id))
    changes = {"name": item.name, "plugins": item.plugins}
    body = {**template.document.body, **{key: part for key, part in changes.items() if part is not None}}
    content = content_of(
        accept("services", item.service_id, body), {route.document.id: route.document.body for route in routes}
    )
    return await releases.add_version(item.service_id, item.version, content)


async def _bring(documents: Documents, releases: Releases, item: Item, version: Version, operator: str) -> None:
    template = await releases.template("services", item.service_id)
    outcome = publish(
        item.service_id,
        version.content,
        await _present(documents, item.service_id),
        item.runtime(),
        runtime_of(template.document.body) if template else {},
    )
    for kind, key in outcome.deletes:
        await documents.delete(kind, key)
    for document in outcome.upserts:
        accepted = replace(document, body=accept(document.kind, document.id, document.body))
        check_servable(accepted)
        await documents.put(accepted)
    await releases.set_publication(documents.group_id, item.service_id, version, operator)


async def _present(documents: Documents, service_id: str) -> Mapping[str, Document]:
    service = await documents.get("services", service_id)
    routes, _ = await documents.list("routes", Query(parent=service_id))
    return {stored.document.id: stored.document for stored in ([service] if service else []) + list(routes)}


async def _conflict_check(request: Request) -> Response:
    order = await read_shape(request, Order)
    cipher = control(request).store.cipher
    found: list[dict[str, Any]] = []
    async with control(request).store.reading() as connection:
        releases = Releases(connection, cipher)
        for item in order.services:
            template = (await existing(releases, "services", item.service_id)).document.body
            routes, _ = await releases.templates("routes", Query(parent=item.service_id))
            bodies = {route.document.id: route.document.body for route in routes}
            found.append({"id": item.service_id, "body": {**template, **item.runtime()}, "routes": bodies})
    others: list[dict[str, Any]] = []
    for group_id in order.groups():
        async with control(request).store.read(group_id) as documents:
            others.extend(await _services_with_routes(documents, {item.service_id for item in order.services}))
    return value(conflicts(found, others))


async def _services_with_routes(documents: Documents, but: set[str]) -> list[dict[str, Any]]:
    services, _ = await documents.list("services")
    routes, _ = await documents.list("routes")
    by_service: dict[str, dict[str, Any]] = {}
    for route in routes:
        by_service.setdefault(str(route.document.parent), {})[route.document.id] = route.document.body
    return [
        {"id": stored.document.id, "body": stored.document.body, "routes": by_service.get(stored.document.id, {})}
        for stored in services
        if stored.document.id not in but
    ]


async def _published(request: Request) -> Response:
    records: list[dict[str, Any]] = []
    store, service_id = control(request).store, request.path_params["id"]
    async with store.reading() as connection:
        releases = Releases(connection, store.cipher)
        for publication in await releases.publications(service_id):
            documents = Documents(connection, store.cipher, publication.group_id, 0)
            service = await documents.get("services", service_id)
            if service:
                records.append(await _record(connection, releases, documents, service))
    return listing(records)


async def _in_group(request: Request) -> Response:
    store = control(request).store
    async with store.read(group_of(request)) as documents:
        releases = Releases(documents.connection, store.cipher)
        found, total = await documents.list("services", read_query(request))
        return listing([await _record(documents.connection, releases, documents, one) for one in found], total)


async def _one_in_group(request: Request) -> Response:
    store = control(request).store
    async with store.read(group_of(request)) as documents:
        service = await _service(documents, request.path_params["id"])
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


async def _history(request: Request) -> Response:
    store = control(request).store
    async with store.read(group_of(request)) as documents:
        await _service(documents, request.path_params["id"])
        releases = Releases(documents.connection, store.cipher)
        rows = await releases.history(documents.group_id, request.path_params["id"])
    return listing([_history_entry(row) for row in rows])


def _history_entry(row: Any) -> dict[str, Any]:
    version = {"version": row.version, "service_version_id": row.version_id} if row.version_id else {}
    return {"id": str(row.id), **version, "action": row.action, "operator": row.operator, "publish_time": unix(row.at)}


async def _runtime(request: Request) -> Response:
    async with control(request).store.read(group_of(request)) as documents:
        return value(_runtime_value((await _service(documents, request.path_params["id"])).document))


async def _patch_runtime(request: Request) -> Response:
    patch, service_id = await read_json(request), request.path_params["id"]
    dry = {"dry-run", "dry_run"} & set(request.query_params)
    if dry:
        async with control(request).store.read(group_of(request)) as documents:
            _with_runtime(await _service(documents, service_id), patch)
        return answer({})
    async with audit.change_group(request) as documents:
        document = _with_runtime(await _service(documents, service_id), patch)
        await documents.put(document)
        audit.note(request, "services/runtime_configuration", service_id, masked("services", service_id, document.body))
    return value(_runtime_value(document))


def _with_runtime(service: Stored, patch: Any) -> Document:
    """The service with its runtime configuration patched; Invalid if the patch reaches beyond it."""
    body = service.document.body
    changed = patched(runtime_of(body), patch)
    beyond = sorted(set(changed) - set(RUNTIME))
    if beyond:
        raise Invalid(f"{beyond} are not part of the runtime configuration ({', '.join(RUNTIME)})")
    rest = {key: part for key, part in body.items() if key not in RUNTIME}
    accepted = accept("services", service.document.id, {**rest, **changed})
    document = Document("services", service.document.id, None, accepted)
    check_servable(document)
    return document


def _runtime_value(service: Document) -> dict[str, Any]:
    return {"service_id": service.id, **runtime_of(service.body)}


async def _offline(request: Request) -> Response:
    service_id = request.path_params["id"]
    async with audit.change_group(request) as documents:
        await _service(documents, service_id)
        await documents.delete("services", service_id)
        releases = Releases(documents.connection, control(request).store.cipher)
        await releases.end_publication(documents.group_id, service_id, caller_of(request).name)
        audit.note(request, "services", service_id)
    return answer({})


async def _version(request: Request) -> Response:
    return value(_version_value(await _read_version(request)))


async def _version_by_name(request: Request) -> Response:
    store = control(request).store
    service_id, name = request.path_params["id"], request.path_params["version"]
    async with store.reading() as connection:
        version = await Releases(connection, store.cipher).find_version(service_id, name)
    if version is None:
        raise NotFound(f"version [{name}] of service [{service_id}] not found")
    return value(_version_value(version))


async def _version_routes(request: Request) -> Response:
    content = (await _read_version(request)).content
    return listing([{"id": key, **body} for key, body in content.routes.items()])


async def _version_route(request: Request) -> Response:
    content: Content = (await _read_version(request)).content
    route = content.routes.get(request.path_params["route_id"])
    if route is None:
        raise NotFound(f"route [{request.path_params['route_id']}] not found")
    return value({"id": request.path_params["route_id"], **route})


async def _read_version(request: Request) -> Version:
    store = control(request).store
    async with store.reading() as connection:
        version = await Releases(connection, store.cipher).version(request.path_params["id"])
    if version is None:
        raise NotFound(f"service version [{request.path_params['id']}] not found")
    return version


def _version_value(version: Version) -> dict[str, Any]:
    routes: Sequence[dict[str, Any]] = [{"id": key, **body} for key, body in version.content.routes.items()]
    return {
        **version.content.service,
        "id": version.id,
        "service_id": version.service_id,
        "version": version.name,
        "number": version.number,
        "content_hash": version.content_hash,
        "routes": routes,
        "created_at": unix(version.created_at),
    }


async def _service(documents: Documents, service_id: str) -> Stored:
    service = await documents.get("services", service_id)
    if service is None:
        raise NotFound(f"service [{service_id}] not found in gateway group [{documents.group_id}]")
    return service
