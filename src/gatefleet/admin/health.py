"""How the nodes of upstreams are, as the gateway instances see them: of one service, and of a whole group."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gatefleet.admin import openapi
from gatefleet.admin.access import group_of
from gatefleet.admin.endpoint import add, group
from gatefleet.admin.query import page_of, read_query
from gatefleet.admin.web import control, listing, value
from gatefleet.errors import NotFound
from gatefleet.fleet import Unwell
from gatefleet.store import Documents, Query, health
from gatefleet.store.health import Said

Json = Mapping[str, Any]
PATH: Final = "/api/gateway_groups/{gateway_group_id}"
COUNT: Final = {"type": "integer", "minimum": 0}
SEEN: Final = {
    "type": "object",
    "properties": {
        "instance_id": openapi.TEXT,
        "hostname": openapi.TEXT,
        "status": {"enum": ["unhealthy", "degraded"]},
        "reason": openapi.TEXT,
        "since": openapi.TIME,
    },
}
NODE: Final = {
    "type": "object",
    "properties": {
        "host": openapi.TEXT,
        "port": COUNT,
        "weight": COUNT,
        "status": {"enum": ["healthy", "degraded", "unhealthy", "unknown"]},
        "unhealthy_ratio": {"type": "number", "minimum": 0, "maximum": 1},
        "instances": {"type": "array", "items": SEEN},
    },
}
UPSTREAM: Final = {
    "type": "object",
    "properties": {
        "id": openapi.TEXT,
        "name": openapi.TEXT,
        "checked": {"type": "boolean"},
        "nodes": {"type": "array", "items": NODE},
    },
}
SERVICE: Final = {
    "type": "object",
    "properties": {
        "service_id": openapi.TEXT,
        "reporting_instances": COUNT,
        "upstreams": {"type": "array", "items": UPSTREAM},
    },
}
UNWELL: Final = {
    "type": "object",
    "properties": {
        "service_id": openapi.TEXT,
        "upstream_id": openapi.TEXT,
        "host": openapi.TEXT,
        "port": COUNT,
        "status": {"enum": ["unhealthy", "degraded"]},
        "unhealthy_ratio": {"type": "number", "minimum": 0, "maximum": 1},
        "instances": {"type": "array", "items": SEEN},
    },
}


def router() -> APIRouter:
    api = APIRouter(tags=["health"])
    asked = openapi.parameter("upstream_id", description="Only this upstream; the service's own has the service's id.")
    one = f"{PATH}/services/{{id}}/healthcheck"
    add(api, "GET", one, _service, group("GetService"), answers=openapi.one(SERVICE), query=[asked])
    add(api, "GET", f"{PATH}/healthcheck", _group, group("GetGatewayGroup"), answers=openapi.many(UNWELL))
    return api


async def _service(request: Request) -> Response:
    """How the nodes of a service's upstreams are, and which connected instances find them unhealthy, why, since when.

    `status` is `unhealthy` or `degraded` as soon as one instance says so, and `unknown` where the upstream has no
    checks or no instance reports; `unhealthy_ratio` is the share of reporting instances that say so.
    """
    service_id, only = request.path_params["id"], request.query_params.get("upstream_id")
    async with control(request).store.read(group_of(request)) as documents:
        upstreams = await _upstreams(documents, service_id)
        if only and only not in upstreams:
            raise NotFound(f"upstream [{only}] not found")
        said = await health.read(documents.connection, documents.group_id)
    complaints = _by_node(said)
    told = [
        _upstream(service_id, id_, body, complaints, len(said))
        for id_, body in upstreams.items()
        if only in {None, "", id_}
    ]
    return value({"service_id": service_id, "reporting_instances": len(said), "upstreams": told})


async def _group(request: Request) -> Response:
    """Every node of an upstream of the group that a connected instance does not take for healthy.

    An instance names the first thousand.
    """
    async with control(request).store.read(group_of(request)) as documents:
        said = await health.read(documents.connection, documents.group_id)
    found = sorted(_by_node(said).items())
    shown = [
        {**_named(cluster), **_address(address), **_status([saw for _, saw in seen], len(said), checked=True)}
        for (cluster, address), seen in page_of(found, read_query(request))
    ]
    return listing(shown, len(found))


async def _upstreams(documents: Documents, service_id: str) -> Mapping[str, Json]:
    """The service's own upstream, under the service's id, then its further ones. NotFound without the service."""
    service = await documents.get("services", service_id)
    if service is None:
        raise NotFound(f"service [{service_id}] not found")
    further, _ = await documents.list("upstreams", Query(parent=service_id, order_by="created_at", descending=False))
    own: Json = service.document.body.get("upstream") or {}
    return {service_id: own, **{stored.document.id: stored.document.body for stored in further}}


Complaint = tuple[Unwell, Json]
"""What an instance says of a node, and how that is shown."""


def _by_node(said: Iterable[Said]) -> Mapping[tuple[str, str], Sequence[Complaint]]:
    """By cluster and address, what instances complain of."""
    found: dict[tuple[str, str], list[Complaint]] = {}
    for one in said:
        for unwell in one.unwell:
            shown = {
                "instance_id": one.instance_id,
                "hostname": one.hostname,
                "status": unwell.status,
                "reason": unwell.reason,
                "since": unwell.since,
            }
            found.setdefault((unwell.upstream, unwell.address), []).append((unwell, shown))
    return found


def _upstream(
    service_id: str, id_: str, body: Json, complaints: Mapping[tuple[str, str], Sequence[Complaint]], reporting: int
) -> dict[str, Any]:
    cluster = service_id if id_ == service_id else f"{service_id}/{id_}"
    own = {address: seen for (name, address), seen in complaints.items() if name == cluster}
    checked = bool(body.get("checks"))
    nodes: list[dict[str, Any]] = []
    for node in body.get("nodes") or ():
        mine = [address for address, seen in own.items() if _means(node, address, seen)]
        seen = [shown for address in mine for _, shown in own.pop(address)]
        named = {key: node[key] for key in ("host", "port", "weight") if key in node}
        nodes.append({**named, **_status(seen, reporting, checked=checked)})
    for address, seen in sorted(own.items()):  # what a registry or DNS has found
        nodes.append({**_address(address), **_status([shown for _, shown in seen], reporting, checked=checked)})
    return {"id": id_, "name": body.get("name") or id_, "checked": checked, "nodes": nodes}


def _means(node: Json, address: str, seen: Sequence[Complaint]) -> bool:
    """Whether that is the node at this address: by address, or by the name that Envoy knows it under."""
    host = str(node["host"]).strip("[]")
    host = f"[{host}]" if ":" in host else host
    names = {f"{host}:{node['port']}"} if node.get("port") else {host}
    return address in names or any(unwell.name in {*names, host} for unwell, _ in seen)


def _status(seen: Sequence[Json], reporting: int, *, checked: bool) -> dict[str, Any]:
    said = {str(one["status"]) for one in seen}
    calm = "healthy" if checked and reporting else "unknown"
    status = "unhealthy" if "unhealthy" in said else "degraded" if said else calm
    unhealthy = len({one["instance_id"] for one in seen if one["status"] == "unhealthy"})
    ratio = round(unhealthy / reporting, 4) if reporting else 0
    return {"status": status, "unhealthy_ratio": ratio, "instances": list(seen)}


def _address(text: str) -> dict[str, Any]:
    host, _, port = text.rpartition(":")
    return {"host": host, "port": int(port)}


def _named(cluster: str) -> dict[str, str]:
    service_id, slash, upstream_id = cluster.partition("/")
    return {"service_id": service_id, "upstream_id": upstream_id if slash else service_id}
