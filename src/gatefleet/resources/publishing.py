"""Publishing, syncing and rolling back: one function with different arguments.

A version holds what the environments share: the service's plugins and its routes. What differs per gateway group, its
runtime configuration, is never versioned and survives every publication: hosts, path prefix, upstreams, status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gatefleet.resources.published import Document

RUNTIME: Final = ("hosts", "path_prefix", "strip_path_prefix", "upstream", "status")


@dataclass(frozen=True, slots=True)
class Content:
    """What a version is made of: the service without its runtime configuration, and its routes by id."""

    service: Mapping[str, Any]
    routes: Mapping[str, Mapping[str, Any]]

    def plain(self) -> dict[str, Any]:
        """As it is stored."""
        return {"service": dict(self.service), "routes": {key: dict(body) for key, body in self.routes.items()}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publication writes into a group, and the document keys of routes it takes away."""

    upserts: tuple[Document, ...]
    deletes: tuple[tuple[str, str], ...]


def documents_of(service_id: str, content: Content) -> tuple[Document, ...]:
    """A version as documents, without what a group adds; `diff` of two tells what a version changes."""
    routes = tuple(Document("routes", key, service_id, body) for key, body in sorted(content.routes.items()))
    return (Document("services", service_id, None, content.service), *routes)


def content_of(service: Mapping[str, Any], routes: Mapping[str, Mapping[str, Any]]) -> Content:
    """The part of a service and its routes that a version holds."""
    return Content({key: part for key, part in service.items() if key not in RUNTIME}, routes)


def runtime_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime configuration of a service's body."""
    return {key: service[key] for key in RUNTIME if key in service}


def publish(
    service_id: str,
    content: Content,
    present: Mapping[str, Document],
    runtime: Mapping[str, Any],
    first_runtime: Mapping[str, Any],
) -> Outcome:
    """Bring a version into a group.

    `present`: the group's documents of this service by key, the service itself under its id. `runtime` is what the
    request sets; else what the group has is kept; a group that has nothing yet begins with `first_runtime`.
    """
    held = present.get(service_id)
    kept = runtime_of(held.body) if held else first_runtime
    service, *routes = documents_of(service_id, content)
    body = {**service.body, "status": 1, **kept, **runtime}
    gone = sorted(key for key in present if key != service_id and key not in content.routes)
    return Outcome((replace(service, body=body), *routes), tuple(("routes", key) for key in gone))


def runs(content: Content, service: Mapping[str, Any], routes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a group's service still does what the version says: the same plugins and the same routes."""
    same_plugins = (content.service.get("plugins") or {}) == (service.get("plugins") or {})
    return same_plugins and content.routes == routes
