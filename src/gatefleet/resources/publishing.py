"""Publishing, syncing and rolling back: one function with different arguments.

A version holds what the environments share: the service's plugins and its routes. What differs per gateway group, its
runtime configuration, is never versioned and survives every publication: hosts, path prefix, upstreams, status.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gatefleet.resources.diff import same
from gatefleet.resources.kinds import KINDS
from gatefleet.resources.published import Document
from gatefleet.resources.schema import with_defaults

RUNTIME: Final = ("hosts", "path_prefix", "strip_path_prefix", "upstream", "status")
ALWAYS_EDITABLE: Final = frozenset({*RUNTIME, "name", "desc", "labels"})
"""What of a service may be edited on its group without leaving its version."""
ROUTE_KINDS: Final = ("routes", "stream_routes")
Bodies = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Content:
    """What a version is made of: the service without its runtime configuration, and its routes by id."""

    service: Mapping[str, Any]
    routes: Bodies
    stream_routes: Bodies = field(default_factory=dict[str, Mapping[str, Any]])

    def plain(self) -> dict[str, Any]:
        """As it is stored, and hashed: a service without stream routes has no word about them."""
        stream = {"stream_routes": dict(self.stream_routes)} if self.stream_routes else {}
        return {"service": dict(self.service), "routes": dict(self.routes), **stream}

    def below(self, kind: str) -> Bodies:
        """Its routes or stream routes, by id."""
        return self.routes if kind == "routes" else self.stream_routes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a release writes into a group, and the (kind, key) of what it takes away."""

    upserts: tuple[Document, ...] = ()
    deletes: tuple[tuple[str, str], ...] = ()

    def against(self, present: Iterable[Document]) -> "Outcome":
        """The same without what the group has already."""
        held = {(document.kind, document.key): document for document in present}
        fresh = (document for document in self.upserts if not same(held.get((document.kind, document.key)), document))
        return replace(self, upserts=tuple(fresh))

    def after(self, present: Iterable[Document]) -> tuple[Document, ...]:
        """These documents once it is carried out."""
        held = {(document.kind, document.key): document for document in present}
        for name in self.deletes:
            held.pop(name, None)
        held.update({(document.kind, document.key): document for document in self.upserts})
        return tuple(held.values())


def documents_of(service_id: str, content: Content) -> tuple[Document, ...]:
    """A version as documents, without what a group adds; `diff` of two tells what a version changes."""
    routes = (
        Document(kind, key, service_id, body)
        for kind in ROUTE_KINDS
        for key, body in sorted(content.below(kind).items())
    )
    return (Document("services", service_id, None, content.service), *routes)


def content_of(service: Mapping[str, Any], below: Iterable[Document]) -> Content:
    """The part of a service and of what stands below it that a version holds."""
    held: dict[str, dict[str, Mapping[str, Any]]] = {kind: {} for kind in ROUTE_KINDS}
    for document in below:
        if document.kind in held:
            held[document.kind][document.id] = document.body
    return Content({key: part for key, part in service.items() if key not in RUNTIME}, **held)


def runtime_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime configuration of a service's body."""
    return {key: service[key] for key in RUNTIME if key in service}


def publish(
    service_id: str,
    content: Content,
    present: Iterable[Document],
    runtime: Mapping[str, Any],
    first_runtime: Mapping[str, Any],
) -> Outcome:
    """Bring a version into a group.

    `present`: the group's documents of this service, the service itself among them. `runtime` is what the request sets;
    else what the group has is kept; a group that has nothing yet begins with `first_runtime`.
    """
    held = {(document.kind, document.key): document for document in present}
    old = held.get(("services", service_id))
    service, *routes = documents_of(service_id, content)
    kept = runtime_of(old.body) if old else first_runtime
    wanted = (replace(service, body={**service.body, "status": 1, **kept, **runtime}), *routes)
    names = {(document.kind, document.key) for document in wanted}
    gone = sorted(name for name in held if name[0] in ROUTE_KINDS and name not in names)
    return Outcome(wanted, tuple(gone))


def runs(content: Content, present: Iterable[Document]) -> bool:
    """Whether a group's service still does what the version says: the same plugins and the same routes."""
    versioned = (document for document in present if document.kind in {"services", *ROUTE_KINDS})
    held = {(document.kind, document.key): document for document in versioned}
    service_id = next((key for kind, key in held if kind == "services"), "")
    wanted = documents_of(service_id, content)
    if held.keys() != {(document.kind, document.key) for document in wanted}:
        return False
    return all(still(held[document.kind, document.key], document.body) for document in wanted)


def still(held: Document, body: Mapping[str, Any]) -> bool:
    """Whether a service or route does what a version holds of it; defaults that came after the version are no edit."""
    if held.kind == "services":
        return (held.body.get("plugins") or {}) == (body.get("plugins") or {})
    old = replace(held, body=body)
    shape = KINDS[held.kind].shape_of(body)
    return same(held, old) or same(held, replace(held, body=with_defaults(shape, body)))
