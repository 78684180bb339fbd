"""An OpenAPI document as a service with its routes: what its words mean for a gateway.

Servers become the upstream's nodes, with the path they share as the path prefix, which is passed on to the upstream;
an operation becomes a route named by its operationId; `{id}` in a path becomes `:id`; tags become the label `tag`.
What a document of our own export says in `x-gatefleet-...` counts as it is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import SplitResult, urlsplit

from gatefleet.admin.openapi_read import METHODS, path_items
from gatefleet.errors import Invalid
from gatefleet.resources.messages import error_at

if TYPE_CHECKING:
    from gatefleet.admin.openapi_read import Item, Read

SERVICE: Final = "x-gatefleet-service"
"""In the document: the whole service it was exported from."""
ROUTES: Final = "x-gatefleet-routes"
"""In the document: routes of the service that OpenAPI has no words for."""
ROUTE: Final = "x-gatefleet-route"
"""In an operation: the whole route it was exported from."""
PATH: Final = "x-gatefleet-path"
"""In an operation: the route's path, where OpenAPI has no words for it."""
TAG: Final = "tag"
PORTS: Final = {"http": 80, "https": 443}
PARAMETER: Final = re.compile(r"\{([^{}/]+)\}")
VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path; `route` is what it says of its route, `exported` whether that is a route of ours."""

    path: str
    method: str
    route: Json
    exported: bool
    where: str | None = None

    @property
    def group(self) -> str:
        """Operations of one exported route belong together."""
        return json.dumps(self.route, sort_keys=True) if self.exported else f"{self.method} {self.path}"


@dataclass
class Imported:
    """A service and its routes, as the Admin API takes them, without ids; and what was lost on the way."""

    service: Json
    routes: list[Json]
    warnings: list[str] = field(default_factory=list[str])

    def preview(self) -> Json:
        """The service with its routes, as one object."""
        return {**self.service, "routes": self.routes}


def imported(document: "Read") -> Imported:
    """The service and routes a document describes. Invalid, with the place, for what cannot be understood."""
    found = Imported({}, [])
    extra: Mapping[str, Any] = document.model_extra or {}
    found.service = _object(extra.get(SERVICE), (SERVICE,)) or _service(document, found.warnings)
    groups: dict[str, list[Operation]] = {}
    for path, item in path_items(document).items():
        for operation in _operations(path, item, found.warnings):
            groups.setdefault(operation.group, []).append(operation)
    further: Any = extra.get(ROUTES) or []
    if not isinstance(further, list):
        raise Invalid(error_at((ROUTES,), "value must be an array"))
    own = [_object(body, (ROUTES, index)) for index, body in enumerate(cast("list[Any]", further))]
    described = [route for group in groups.values() for route in _routes(group, found.warnings)]
    found.routes = _named_apart([*described, *own])
    return found


def in_document(path: str) -> str:
    """A route's path as OpenAPI writes it: `:id` as `{id}`, a `*` at the end as a parameter."""
    segments = path.removesuffix("*").split("/")
    said = [f"{{{part[1:]}}}" if part.startswith(":") and len(part) > 1 else part for part in segments]
    return "/".join(said) + ("{rest}" if path.endswith("*") else "")


def in_methods(route: Mapping[str, Any]) -> list[str]:
    """A route's methods as far as OpenAPI has them; those of a route for any method are all."""
    wanted = route.get("methods") or [method.upper() for method in METHODS]
    return [method for method in METHODS if method.upper() in wanted]


def _service(document: "Read", warnings: list[str]) -> Json:
    service: Json = {"name": document.info.title.strip() or "unnamed", "type": "http"}
    if document.info.description:
        service["desc"] = document.info.description
    urls = [_url(server.url, server.variables or {}, index) for index, server in enumerate(document.servers or ())]
    if not urls:
        warnings.append("the document names no servers: give the service an upstream before it takes requests")
        return service
    prefix = urls[0].path.rstrip("/")
    if prefix:
        service |= {"path_prefix": prefix, "strip_path_prefix": False}
    hosts = [url for url in urls if url.hostname]
    used = [url for url in hosts if (url.scheme, url.path.rstrip("/")) == (hosts[0].scheme, prefix)]
    left_out = [url.geturl() for url in urls if url not in used and url is not urls[0]]
    warnings += [f"server [{text}] differs from the first one and is left out" for text in left_out]
    if used:
        service["upstream"] = _upstream(used)
    return service


def _upstream(urls: list[SplitResult]) -> Json:
    """Nodes behind these URLs, each addressed by its own name."""
    scheme = urls[0].scheme
    nodes = dict.fromkeys((str(url.hostname), url.port or PORTS[scheme]) for url in urls)
    return {
        "scheme": scheme,
        "pass_host": "node",
        "nodes": [{"host": host, "port": port, "weight": 100} for host, port in nodes],
    }


def _url(text: str, variables: Mapping[str, Any], index: int) -> SplitResult:
    at = ("servers", index, "url")

    def default(match: re.Match[str]) -> str:
        if match[1] not in variables:
            raise Invalid(error_at(at, f"there is no variable [{match[1]}]"))
        return str(variables[match[1]].default)

    try:
        url = urlsplit(VARIABLE.sub(default, text))
        port = url.port
    except ValueError as error:
        raise Invalid(error_at(at, f"[{text}] is not a URL: {error}")) from error
    if url.scheme not in {"", *PORTS} or bool(url.scheme) != bool(url.hostname) or port == 0:
        raise Invalid(error_at(at, f"[{text}] must be an http or https URL, or a path"))
    return url


def _operations(path: str, item: "Item", warnings: list[str]) -> Iterator[Operation]:
    """What a path says: each of its methods."""
    for method in METHODS:
        operation = getattr(item, method)
        if operation is None:
            continue
        extra: Mapping[str, Any] = operation.model_extra or {}
        where = extra.get(PATH)
        if item.servers or operation.servers:
            warnings.append(f"{method.upper()} {path}: servers of one operation are left out")
        own = _object(extra.get(ROUTE), ("paths", path, method, ROUTE))
        route = own or _route(method, path, operation)
        yield Operation(path, method, route, exported=bool(own), where=where if isinstance(where, str) else None)


def _routes(group: list[Operation], warnings: list[str]) -> Iterator[Json]:
    """The route of an exported group if nothing of it was edited; else a route for the paths with the same methods."""
    route, there = group[0].route, {(operation.path, operation.method) for operation in group}
    was = {(in_document(path), method) for path in _paths(route) for method in in_methods(route)}
    if group[0].exported and there == was:
        yield route
        return
    by_path: dict[str, list[str]] = {}
    for operation in group:
        path = operation.where or _path(operation.path, warnings)
        by_path.setdefault(path, []).append(operation.method.upper())
    by_methods: dict[tuple[str, ...], list[str]] = {}
    for path, methods in by_path.items():
        by_methods.setdefault(tuple(methods), []).append(path)
    for methods, paths in by_methods.items():
        yield {**route, "paths": paths, "methods": list(methods)}


def _paths(route: Json) -> list[str]:
    given = route.get("paths")
    return [path for path in cast("list[Any]", given) if isinstance(path, str)] if isinstance(given, list) else []


def _route(method: str, path: str, operation: Any) -> Json:
    text = operation.description or operation.summary
    tags: list[str] = operation.tags or []
    label = tags[0] if len(tags) == 1 else json.dumps(tags, ensure_ascii=False)
    return {
        "name": operation.operationId or f"{method.upper()} {path}",
        **({"desc": text} if text else {}),
        **({"labels": {TAG: label}} if tags else {}),
    }


def _path(path: str, warnings: list[str]) -> str:
    """`/pets/{id}` as `/pets/:id`; what is not a whole segment takes the rest of the path instead."""
    segments: list[str] = []
    for segment in path.split("/"):
        whole = PARAMETER.fullmatch(segment)
        if whole:
            segments.append(f":{whole[1]}")
        elif PARAMETER.search(segment):
            taken = "/".join([*segments, "*"])
            warnings.append(f"[{path}]: a parameter within a segment cannot be matched: the route takes [{taken}]")
            return taken
        else:
            segments.append(segment)
    return "/".join(segments)


def _named_apart(routes: list[Json]) -> list[Json]:
    """The routes with names of their own: a number behind the name tells equal ones apart."""
    taken: set[str] = set()
    out: list[Json] = []
    for route in routes:
        name, wanted = str(route.get("name") or "unnamed"), route.get("name")
        number = 1
        while name in taken:
            number += 1
            name = f"{wanted} {number}"
        taken.add(name)
        out.append({**route, "name": name})
    return out


def _object(given: Any, at: tuple[str | int, ...]) -> Json:
    """What an extension holds; empty if it is not there."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Invalid(error_at(at, "value must be an object"))
    return dict(cast("Json", given))
