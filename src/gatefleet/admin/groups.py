"""Gateway groups: the units of configuration; their keys, join tokens and client certificates; their nodes."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, get_args
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gatefleet.admin import audit
from gatefleet.admin.access import GROUP_KEY_PREFIX, Access, Reach, digest, visible_groups
from gatefleet.admin.endpoint import add, group, system
from gatefleet.admin.grants import Labels, Subject, group_labels
from gatefleet.admin.openapi import TEXT, many, parameter
from gatefleet.admin.preconditions import refuse_unless, tagged
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.system import dp_manager_addresses
from gatefleet.admin.visible import limited, permitted
from gatefleet.admin.web import answer, control, listing, read_object, read_shape, unix, value
from gatefleet.errors import Conflict, Invalid, NotFound
from gatefleet.resources.diff import MASK
from gatefleet.store import Query, fleet
from gatefleet.store.listen import CHANNEL
from gatefleet.store.tables import gateway_group, group_key, resource, write_order

G: Final = gateway_group.c
PATH: Final = "/api/gateway_groups"
BY_HEARTBEAT: Final = "last_heartbeat_time"
MAX_NAME: Final = 100
CLEAR_OF_BUNDLE: Final = frozenset({"id", "gateway_group_id", "certificate", "ca_certificate", "expiry"})
"""What the audit log may tell of a node's certificate as it is handed out."""
TYPES: Final = ("api7_gateway", "api7_ingress_controller")


class Wanted(msgspec.Struct, omit_defaults=True):
    """The body that makes or changes a group; `desc` is an older name of `description`."""

    name: str
    description: str | None = None
    desc: str | None = None
    labels: dict[str, str] = {}
    type: str = "api7_gateway"
    enforce_service_publishing: bool = False
    image_tag: str | None = None

    def values(self) -> dict[str, Any]:
        """Columns and values; Invalid for a name or type that cannot be."""
        if not 1 <= len(self.name) <= MAX_NAME:
            raise Invalid(f'Error at "/name": the string length must be from 1 to {MAX_NAME}')
        if self.type not in TYPES:
            raise Invalid(f'Error at "/type": value is not one of the allowed values {list(TYPES)}')
        return {
            "name": self.name,
            "description": self.description if self.description is not None else self.desc or "",
            "labels": self.labels,
            "type": self.type,
            "enforce_service_publishing": self.enforce_service_publishing,
            "image_tag": self.image_tag,
        }


def router() -> APIRouter:
    api = APIRouter(tags=["gateway groups"])
    one = f"{PATH}/{{gateway_group_id}}"
    add(api, "GET", PATH, _list, Access("ListGatewayGroup", Reach.ANY))
    add(api, "POST", PATH, _create, system("CreateGatewayGroup"), body=Wanted)
    add(api, "GET", one, _get, group("GetGatewayGroup"))
    add(api, "PUT", one, _put, system("UpdateGatewayGroup"), body=Wanted)
    add(api, "DELETE", one, _delete, system("DeleteGatewayGroup"))
    add(api, "PUT", f"{one}/admin_key", _admin_key, system("UpdateGatewayGroup"))
    add(api, "POST", f"{one}/instance_token", _instance_token, system("CreateInstanceToken"))
    add(api, "POST", f"{one}/dp_client_certificates", _client_certificate, system("CreateClientCertificate"))
    asked = (
        parameter("status", {"enum": list(get_args(fleet.Status))}),
        parameter("search", TEXT, "Part of the id, the host name or the address"),
        parameter("order_by", {"enum": ["created_at", BY_HEARTBEAT]}),
    )
    every = system("ListInstances", filtered=True)
    add(api, "GET", f"{one}/instances", _instances, group("ListInstances"), answers=many(), query=asked)
    add(api, "GET", "/api/instances", _all_instances, every, answers=many(), query=asked)
    return api


async def _list(request: Request) -> Response:
    """Those the caller may read. An exact `name` wins over the fuzzy `search`."""
    query = read_query(request)
    statement = select(gateway_group)
    if query.name is not None:
        statement = statement.where(G.name == query.name)
    elif query.search:
        statement = statement.where(G.name.icontains(query.search, autoescape=True))
    for key, wanted in query.labels.items():
        statement = statement.where(G.labels.has_key(key) if wanted is None else G.labels.contains({key: wanted}))
    visible = await visible_groups(request)
    if visible is not None:
        statement = statement.where(G.id.in_(visible))
    order = G.created_order if query.order_by == "created_at" else G.updated_order
    ordered = statement.order_by(order.desc() if query.descending else order.asc())
    async with control(request).store.reading() as connection:
        total = (await connection.execute(select(func.count()).select_from(statement.subquery()))).scalar_one()
        rows = await connection.execute(_page(ordered, query))
        return listing([_shown(row) for row in rows], total)


async def _get(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        return _tagged(await _existing(connection, request.path_params["gateway_group_id"]))


async def _create(request: Request) -> Response:
    values = (await read_shape(request, Wanted)).values()
    new_id = str(uuid4())
    row = {"id": new_id, **values}
    async with audit.transact(request, new_id) as connection, _name_free(values["name"]):
        made = (await connection.execute(insert(gateway_group).values(row).returning(gateway_group))).one()
        await connection.execute(select(func.pg_notify(CHANNEL, new_id)))
        audit.note(request, "gateway_groups", new_id, values, answer=_shown(made))
    return _tagged(made)


async def _put(request: Request) -> Response:
    wanted = await read_shape(request, Wanted)
    if wanted.description is None and wanted.desc is None:
        raise Invalid('Error at "/description": property "description" is missing')
    group_id, values = request.path_params["gateway_group_id"], wanted.values()
    fresh = {"updated_order": write_order.next_value(), "updated_at": func.clock_timestamp()}
    async with audit.transact(request) as connection, _name_free(values["name"]):
        refuse_unless(request, _tag(await _existing(connection, group_id, lock=True)))
        statement = update(gateway_group).where(G.id == group_id).values(values | fresh).returning(gateway_group)
        row = (await connection.execute(statement)).one()
        audit.note(request, "gateway_groups", group_id, values, answer=_shown(row))
    return _tagged(row)


async def _delete(request: Request) -> Response:
    group_id = request.path_params["gateway_group_id"]
    async with audit.transact(request) as connection:
        refuse_unless(request, _tag(await _existing(connection, group_id, lock=True)))
        if request.query_params.get("force") != "true":
            await _unused(connection, group_id)
        await fleet.revoke_group(connection, group_id)
        await connection.execute(delete(gateway_group).where(G.id == group_id))
        await connection.execute(select(func.pg_notify(CHANNEL, group_id)))
        audit.note(request, "gateway_groups", group_id)
    return answer({"value": {}})


async def _admin_key(request: Request) -> Response:
    group_id = request.path_params["gateway_group_id"]
    key = GROUP_KEY_PREFIX + secrets.token_urlsafe(32)
    values = {"token_hash": digest(key), "created_at": func.clock_timestamp()}
    async with audit.transact(request) as connection:
        await _existing(connection, group_id)
        statement = upsert(group_key).values(group_id=group_id, **values)
        await connection.execute(statement.on_conflict_do_update(index_elements=[group_key.c.group_id], set_=values))
        audit.note(request, "gateway_groups/admin_key", group_id, answer={"key": MASK})
    return value({"key": key})


async def _instance_token(request: Request) -> Response:
    group_id = request.path_params["gateway_group_id"]
    async with audit.transact(request) as connection:
        token_id, plain = await fleet.mint_join_token(connection, control(request).store.cipher, group_id)
        told = {"id": token_id, "token_plain_text": MASK}
        audit.note(request, "gateway_groups/instance_token", token_id, answer=told)
    if request.query_params.get("only_token") == "true":
        return Response(plain, media_type="text/plain")
    return value({"id": token_id, "token_plain_text": plain})


async def _client_certificate(request: Request) -> Response:
    await read_object(request)
    group_id = request.path_params["gateway_group_id"]
    async with audit.transact(request) as connection:
        bundle = await fleet.issue_client_bundle(
            connection,
            control(request).store.cipher,
            group_id,
            dp_manager_addresses=await dp_manager_addresses(connection),
        )
        told = {name: part if name in CLEAR_OF_BUNDLE else MASK for name, part in bundle.items()}
        audit.note(request, "gateway_groups/dp_client_certificates", bundle["id"], answer=told)
    return value(bundle)


async def _instances(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        await _existing(connection, request.path_params["gateway_group_id"])
        found = await fleet.list_instances(connection, request.path_params["gateway_group_id"])
        tags = await _image_tags(connection)
    return _instance_list(request, found, tags)


async def _all_instances(request: Request) -> Response:
    async with control(request).store.reading() as connection:
        found = await fleet.list_instances(connection)
        labels: Mapping[str, Labels] = await group_labels(connection) if limited(request) else {}
        tags = await _image_tags(connection)
    readable = permitted(request, found, lambda node: [_group_subject(node.group_id, labels)])
    return _instance_list(request, readable, tags)


async def _image_tags(connection: AsyncConnection) -> dict[str, str]:
    """The version each group's instances should have, for groups that say so."""
    found = await connection.execute(select(G.id, G.image_tag).where(G.image_tag.is_not(None)))
    return {row.id: row.image_tag for row in found}


def _group_subject(group_id: str, labels: Mapping[str, Labels]) -> Subject:
    return Subject(group_id, labels={"gateway_group_label": labels.get(group_id, {})})


def _instance_list(request: Request, found: Sequence[fleet.Instance], tags: Mapping[str, str]) -> Response:
    """Those of a status, with labels, or with a text in id, host name or address; by `created_at` unless asked."""
    query, status = read_query(request, more_orders={BY_HEARTBEAT}), request.query_params.get("status")
    items = [
        node
        for node in found
        if status in {None, "", node.status} and _labelled(node.labels, query.labels) and _named(node, query.search)
    ]
    by_heartbeat = request.query_params.get("order_by") == BY_HEARTBEAT
    items.sort(key=lambda n: n.last_heartbeat_at if by_heartbeat else n.created_at, reverse=query.descending)
    return listing([_instance(i, tags.get(i.group_id)) for i in page_of(items, query)], len(items))


def _named(node: fleet.Instance, text: str | None) -> bool:
    return not text or any(text.lower() in name.lower() for name in (node.id, node.hostname, node.ip))


def _labelled(labels: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(labels.get(key) == value if value is not None else key in labels for key, value in wanted.items())


def _instance(node: fleet.Instance, image_tag: str | None) -> dict[str, Any]:
    expiry, deletion = node.certificate_expires_at, node.to_be_deleted_at
    return {
        "id": node.id,
        "gateway_group_id": node.group_id,
        "hostname": node.hostname,
        "ip": node.ip,
        "version": node.version,
        "expected_version": image_tag or node.version,
        "ports": node.ports,
        "cores": node.cores,
        "labels": node.labels,
        "status": node.status,
        "envoy": node.envoy,
        "conf_server_revision": node.applied_revision,
        "proven_revision": node.proven_revision,
        "revision_lag": node.behind,
        "pending": node.pending,
        "problems": node.problems,
        "created_at": unix(node.created_at),
        "last_heartbeat_time": unix(node.last_heartbeat_at),
        **({"dataplane_certificate_expire_time": unix(expiry)} if expiry else {}),
        **({"to_be_deleted_at": unix(deletion)} if deletion else {}),
    }


async def _existing(connection: AsyncConnection, group_id: str, *, lock: bool = False) -> Row[Any]:
    statement = select(gateway_group).where(G.id == group_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound(f"gateway group [{group_id}] not found")
    return row


async def _unused(connection: AsyncConnection, group_id: str) -> None:
    nodes = [node.id for node in await fleet.list_instances(connection, group_id) if node.status == "Healthy"]
    if nodes:
        raise Invalid(f"gateway group [{group_id}] cannot be deleted: nodes {nodes} are still using it; or force=true")
    services = select(resource.c.id).where(resource.c.group_id == group_id, resource.c.kind == "services").limit(3)
    found = (await connection.execute(services)).scalars().all()
    if found:
        raise Invalid(
            f"gateway group [{group_id}] cannot be deleted: services {list(found)} are still using it; or force=true"
        )


def _page(statement: Any, query: Query) -> Any:
    if query.page_size is None:
        return statement
    return statement.limit(query.page_size).offset((query.page - 1) * query.page_size)


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "name": row.name,
        "description": row.description,
        "labels": row.labels,
        "enforce_service_publishing": row.enforce_service_publishing,
        "config": {
            "control_plane_key_prefix": f"/gateway_groups/{row.id}",
            **({"image_tag": row.image_tag} if row.image_tag else {}),
        },
        "created_at": unix(row.created_at),
        "updated_at": unix(row.updated_at),
    }


def _tag(row: Row[Any]) -> str:
    """The ETag of a group: which of all writes was the last of what is said of it, not of what is in it."""
    return f'"{row.updated_order}"'


def _tagged(row: Row[Any]) -> Response:
    return tagged(_tag(row), _shown(row))


@asynccontextmanager
async def _name_free(name: str) -> AsyncGenerator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"a gateway group named [{name}] already exists") from error
