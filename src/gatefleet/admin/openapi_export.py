"""Services and their routes as an OpenAPI document, which becomes the same service and routes when it is imported."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gatefleet.admin.openapi_import import PATH, ROUTE, ROUTES, SERVICE, TAG, in_document, in_methods
from gatefleet.errors import Invalid

PARAMETER: Final = re.compile(r"\{([^{}/]+)\}")
Json = dict[str, Any]
Service = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]
"""A service's body and those of its routes, without ids."""


def exported(services: Sequence[Service], info: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]) -> Json:
    """The document, OpenAPI 3.1. Invalid for a stream service, and if two of several have the same path."""
    paths: dict[str, Json] = {}
    further: list[Mapping[str, Any]] = []
    for service, routes in services:
        if service.get("type") == "stream":
            raise Invalid(f"service [{service.get('name')}] is of type stream, which OpenAPI has no words for")
        prefix = (service.get("path_prefix") or "").rstrip("/") if len(services) > 1 else ""
        for route in routes:
            operations = _operations(route, prefix, service if len(services) > 1 else None)
            if operations and not any(method in paths.get(path, {}) for path, method in operations):
                for (path, method), operation in operations.items():
                    paths.setdefault(path, {})[method] = operation
            elif len(services) > 1:
                raise Invalid(f"route [{route.get('name')}] cannot stand beside the others; export its service alone")
            else:
                further.append(route)
    only: Json = {SERVICE: dict(services[0][0]), **({ROUTES: further} if further else {})} if len(services) == 1 else {}
    return {
        "openapi": "3.1.0",
        "info": dict(info),
        "servers": [dict(server) for server in servers] or list(_servers(services)),
        "paths": paths,
        **only,
    }


def _operations(
    route: Mapping[str, Any], prefix: str, service: Mapping[str, Any] | None
) -> dict[tuple[str, str], Json]:
    """What a route says, by path and method. `service`: named by its tag, where there are several."""
    body = {key: part for key, part in route.items() if key != "service_id"}
    labels: Mapping[str, str] = route.get("labels") or {}
    label = labels.get(TAG)
    tags = [str(service.get("name"))] if service else [label] if label else []
    methods = in_methods(route)
    found: dict[tuple[str, str], Json] = {}
    for path in route.get("paths") or ():
        said = in_document(path)
        names = PARAMETER.findall(said)
        for method in methods:
            operation: Json = {
                "summary": route.get("name"),
                **({"description": route["desc"]} if route.get("desc") else {}),
                **({"tags": tags} if tags else {}),
                "responses": {"default": {"description": "What the upstream answers."}},
                **({} if service else {ROUTE: body}),
                **({PATH: path} if path.endswith("*") and not service else {}),
            }
            if names:
                operation["parameters"] = list(map(_parameter, names))
            found[prefix + said, method] = operation
    return found


def _parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _servers(services: Iterable[Service]) -> Iterable[Json]:
    """Where the services are reached: their hosts, with the path prefix if there is only one service."""
    several = list(services)
    prefix = (several[0][0].get("path_prefix") or "").rstrip("/") if len(several) == 1 else ""
    hosts = dict.fromkeys(host for service, _ in several for host in service.get("hosts") or () if "*" not in host)
    return [{"url": f"https://{host}{prefix}"} for host in hosts] or [{"url": prefix or "/"}]
