"""A gateway group's documents as a snapshot, kept up to date change by change.

What a change does not touch is not compiled again, and the result has the very bytes of a full compile. A document
that cannot be carried is named in `problems` and keeps its last good form; the others go on.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import msgspec
from pydantic import ValidationError

from gatefleet import plugins, snapshot
from gatefleet.compile import ir, resolve, server_names, streams
from gatefleet.compile.emit import chains, credentials, listeners, outbound, scopes, upstreams
from gatefleet.compile.emit.routes import RouteCode, compile_route
from gatefleet.compile.hosts import GlobalRules, Hosts
from gatefleet.compile.names import ServerNames
from gatefleet.compile.outside import Outside
from gatefleet.compile.ports import Ports
from gatefleet.compile.server_names import Shown, Trust
from gatefleet.errors import Invalid
from gatefleet.resources import Document
from gatefleet.resources.carriage import with_tokens
from gatefleet.resources.messages import sentences
from gatefleet.snapshot import Entry, HostLayout, Snapshot, entry

_T = TypeVar("_T")
ENABLED: Final = 1
Cluster = tuple[str, bytes, bytes | None]
"""Name, serialized Cluster, serialized endpoints."""
TRUST: Final = ("certificates", "ca_certificates", "service_registries")
TRUSTING: Final = ("snis", "services", "upstreams")
"""Kinds whose documents name those of `TRUST` by id."""
NO_PORT: Final = 'Error at "/server_port": no stream route of the group opens a port for it; give server_port'
Touched = Mapping[str, set[str]]
"""Kind to the keys of the documents that a change sets or deletes."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A group's snapshot, and for each document that cannot be carried ("kind/key") the reason."""

    snapshot: Snapshot
    problems: Mapping[str, str]


class Compiler:
    """The compiler of one group. Not safe for concurrent use; same documents, same bytes."""

    def __init__(self) -> None:
        self._documents: dict[str, dict[str, Document]] = {}
        self._problems: dict[str, str] = {}
        self._children: dict[tuple[str, str], set[str]] = {}
        self._codes: dict[str, RouteCode] = {}
        self._hash_texts: dict[str, tuple[str, ...]] = {}
        """What a service's upstreams beside its default one hash on, where that is made of variables."""
        self._scripts = Counter[tuple[str, str]]()
        self._clusters = Counter[tuple[str, bytes, bytes | None]]()
        self._hosts = Hosts()
        self._ports = Ports()
        self._trust = Trust()
        self._names = ServerNames()
        self._guards = self._names.guards
        self._layouts: Mapping[str, HostLayout] = {}
        self._consumers: dict[str, ir.Consumer] = {}
        """Consumers with plugins of their own."""
        self._globals: tuple[ir.PluginUse, ...] = ()
        self._global_rules = GlobalRules()
        self._global_scripts: Mapping[str, str] = {}
        self._outside = Outside()
        self._entries: dict[str, dict[str, Entry]] = {}
        self._write(snapshot.LISTENER, dict(listeners.compile_listeners()))
        self._write(snapshot.CLUSTER, dict(outbound.compile_outbound()))

    def update(self, upserts: Iterable[Document], deletes: Iterable[tuple[str, str]] = ()) -> Compiled:
        """Compile the group after these changes; `deletes` are (kind, document key), children named one by one.

        The snapshot shares what did not change with the one before.
        """
        touched = self._take(list(upserts), list(deletes))
        self._write(snapshot.REFERENCE, self._outside.flush(self._all("secret_providers")))
        before = self._shared_by_routes()
        self._update_consumers(touched)
        self._update_globals(touched)
        trusting = self._update_trust(touched)
        self._update_names(touched, trusting)
        self._update_upstreams(touched, trusting)
        self._update_routes(touched, everything=before != self._shared_by_routes())
        self._update_streams(touched)
        self._update_scopes()
        return Compiled(
            Snapshot({type_url: entries for type_url, entries in self._entries.items() if entries}),
            dict(sorted(self._problems.items())),
        )

    def _take(self, upserts: list[Document], deletes: list[tuple[str, str]]) -> Touched:
        touched: dict[str, set[str]] = {}
        for kind, key in [(d.kind, d.key) for d in upserts] + deletes:
            touched.setdefault(kind, set()).add(key)
            self._outside.put(kind, key, None)
            old = self._documents.setdefault(kind, {}).pop(key, None)
            if old and old.parent:
                self._children[kind, old.parent].discard(key)
        for given in upserts:
            self._outside.put(given.kind, given.key, given.body)
            document = replace(given, body=with_tokens(given.kind, given.body))
            self._documents[document.kind][document.key] = document
            if document.parent:
                self._children.setdefault((document.kind, document.parent), set()).add(document.key)
        return touched

    def _owned(self, kind: str, owner: str) -> set[str]:
        return self._children.get((kind, owner), set())

    def _shared_by_routes(self) -> tuple[object, ...]:
        """What routes depend on beside their own documents and their service's: when it changes, all are compiled."""
        consumers = dict(self._consumers)
        return (self._shared(), consumers, bool(consumers) and self._authenticated(), self._in_each_route())

    def _in_each_route(self) -> dict[str, ir.PluginUse]:
        return {use.name: use for use in self._globals if plugins.registry()[use.name].names_route}

    def _authenticated(self) -> bool:
        return any(plugins.registry()[use.name].names_consumer for use in self._globals)

    def _shared(self) -> chains.Shared:
        return chains.Shared(
            {name: document.body for name, document in self._all("plugin_metadata").items()},
            {key: document.body["content"] for key, document in self._all("protos").items()},
            frozenset(self._in_each_route()),
        )

    def _update_consumers(self, touched: Touched) -> None:
        names = touched.get("consumers", set()) | {key.partition("/")[0] for key in touched.get("credentials", ())}
        bodies: dict[str, bytes | None] = {}
        for name in names:
            document = self._known("consumers", name)
            if document is None:
                self._consumers.pop(name, None)
                bodies[name] = None
            elif found := self._attempt("consumers", name, lambda d=document: self._consumer(d)):
                consumer, bodies[name] = found
                if consumer.plugins:
                    self._consumers[name] = consumer
                else:
                    self._consumers.pop(name, None)
        self._write(snapshot.CONSUMER, bodies)

    def _consumer(self, document: Document) -> tuple[ir.Consumer, bytes]:
        held = self._all("credentials")
        owned = sorted(self._owned("credentials", document.id))
        consumer = resolve.consumer(document.id, document.body, [(held[key].id, held[key].body) for key in owned])
        chains.filters_only(consumer.plugins, self._shared())
        return consumer, msgspec.msgpack.encode(credentials.consumer_entries(consumer))

    def _update_globals(self, touched: Touched) -> None:
        names = touched.get("global_rules", set())
        if touched.get("plugin_metadata"):
            names = names | self._all("global_rules").keys()
        if not names:
            return
        held = {use.name: use for use in self._globals}
        for name in names:
            document = self._known("global_rules", name)
            if document is None:
                held.pop(name, None)
            elif use := self._attempt("global_rules", name, lambda d=document: self._global_rule(d)):
                held.update(use)
        self._globals = resolve.merged(held)
        found = chains.filters_only(self._globals, self._shared())
        placed = chains.placed(found.filters, chains.GLOBAL, chains.GLOBAL_WHERE)
        self._global_rules = GlobalRules(placed, tuple(sorted(found.questions)))
        self._global_scripts = found.scripts
        self._hosts.stale()

    def _global_rule(self, document: Document) -> dict[str, ir.PluginUse]:
        uses = resolve.uses(document.body["plugins"], "global")
        chains.filters_only(uses.values(), self._shared())
        return uses

    def _update_trust(self, touched: Touched) -> set[tuple[str, str]]:
        """Take in changed certificates; (kind, key) of the documents that name one of them."""
        changed = {(kind, key) for kind in TRUST for key in touched.get(kind, ())}
        if not changed:
            return set()
        self._trust = Trust.of(*(self._all(kind).values() for kind in TRUST))
        ids = {key for _, key in changed}
        named = ((kind, key, _named(d)) for kind in TRUSTING for key, d in self._all(kind).items())
        return {(kind, key) for kind, key, names in named if not ids.isdisjoint(names)}

    def _update_names(self, touched: Touched, trusting: Collection[tuple[str, str]]) -> None:
        dirty = {(kind, key) for kind in ("ssls", "snis") for key in touched.get(kind, ())}
        for kind, key in sorted(dirty | {(kind, key) for kind, key in trusting if kind == "snis"}):
            document = self._known(kind, key)
            if document is None:
                self._names.put(f"{kind}/{key}", None)
            elif found := self._attempt(kind, key, lambda d=document: self._shown(d)):
                self._names.put(f"{kind}/{key}", found[0])
        for type_url, bodies in self._names.flush().items():
            self._write(type_url, bodies)
        if self._guards != self._names.guards:
            self._guards = self._names.guards
            self._hosts.guarded(self._guards)

    def _shown(self, document: Document) -> tuple[Shown | None]:
        if document.kind == "ssls":
            return (server_names.of_ssl(document.id, document.body),)
        return (server_names.of_sni(document.id, document.body, self._trust),)

    def _update_upstreams(self, touched: Touched, trusting: Collection[tuple[str, str]]) -> None:
        clusters: dict[str, bytes | None] = {}
        endpoints: dict[str, bytes | None] = {}
        lookups: dict[str, bytes | None] = {}
        dirty = {(kind, key) for kind in ("services", "upstreams") for key in touched.get(kind, ())}
        for kind, key in sorted(dirty | {(kind, key) for kind, key in trusting if kind != "snis"}):
            document = self._known(kind, key)
            if document is None:
                clusters[key] = endpoints[key] = lookups[key] = None
                continue
            body: Mapping[str, Any] = document.body if kind == "upstreams" else document.body.get("upstream") or {}
            if upstream := self._attempt(kind, key, lambda k=key, b=body: resolve.upstream(k, b, self._trust)):
                clusters[key] = upstreams.compile_cluster(upstream)
                endpoints[key] = upstreams.compile_endpoints(upstream)
                lookups[key] = upstream.lookup.to_bytes() if upstream.lookup else None
        self._write(snapshot.CLUSTER, clusters)
        self._write(snapshot.ENDPOINTS, endpoints)
        self._write(snapshot.DISCOVERY, lookups)

    def _update_routes(self, touched: Touched, *, everything: bool) -> None:
        dirty = set(touched.get("routes", ()))
        for service_id in touched.get("services", set()) | self._hashed_anew(touched):
            dirty |= self._owned("routes", service_id)
        if everything:
            dirty |= self._all("routes").keys()
        for key in sorted(dirty):
            self._update_route(key)
        scripts = {name: source.encode() for name, source in [*self._scripts, *self._global_scripts.items()]}
        self._write(snapshot.SCRIPT, {**dict.fromkeys(self._entries.get(snapshot.SCRIPT, {})), **scripts})

    def _update_route(self, key: str) -> None:
        document = self._known("routes", key)
        service = self._served(document)
        if document is None or service is None:
            self._place(key, None)
            return

        def make() -> RouteCode:
            inherited = self._in_each_route()
            others = self._others(service.id)
            route = resolve.route(document.id, document.body, service.id, service.body, inherited, others)
            consumers = [consumer for _, consumer in sorted(self._consumers.items())]
            return compile_route(route, consumers, self._shared(), authenticated=self._authenticated())

        if code := self._attempt("routes", key, make):
            self._place(key, code)

    def _others(self, service_id: str) -> list[Mapping[str, Any]]:
        """The bodies of a service's upstreams beside its default one."""
        return [self._all("upstreams")[key].body for key in sorted(self._owned("upstreams", service_id))]

    def _hashed_anew(self, touched: Touched) -> set[str]:
        """Services whose upstreams hash on other texts than before."""
        changed: set[str] = set()
        for service_id in {key.partition("/")[0] for key in touched.get("upstreams", ())}:
            texts = resolve.hash_texts(self._others(service_id))
            if texts != self._hash_texts.get(service_id, ()):
                self._hash_texts[service_id] = texts
                changed.add(service_id)
        return changed

    def _served(self, document: Document | None) -> Document | None:
        """The service a route belongs to; None when there is none, or it is switched off."""
        service = self._all("services").get(document.parent or "") if document else None
        return service if service and service.body.get("status", ENABLED) == ENABLED else None

    def _update_streams(self, touched: Touched) -> None:
        dirty = set(touched.get("stream_routes", ()))
        for service_id in touched.get("services", ()):
            dirty |= self._owned("stream_routes", service_id)
        for key in sorted(dirty):
            self._update_stream(key)
        if not dirty:
            return
        for type_url, bodies in self._ports.flush().items():
            self._write(type_url, bodies)
        silent = {f"stream_routes/{key}": NO_PORT for key in self._ports.portless()}
        self._problems = {name: reason for name, reason in self._problems.items() if reason != NO_PORT} | silent

    def _update_stream(self, key: str) -> None:
        document = self._known("stream_routes", key)
        service = self._served(document)
        if document is None or service is None:
            self._problems.pop(f"stream_routes/{key}", None)
            self._ports.put(key, None)
            return

        def make() -> streams.StreamRoute:
            return streams.stream_route(document.id, document.body, service.id, service.body)

        if route := self._attempt("stream_routes", key, make):
            self._ports.put(key, route)

    def _place(self, key: str, code: RouteCode | None) -> None:
        before = self._codes.pop(key, None)
        if code:
            self._codes[key] = code
        if code == before:
            return
        self._scripts.subtract(before.scripts if before else ())
        self._scripts.update(code.scripts if code else ())
        self._scripts = +self._scripts
        self._keep_clusters(before.clusters if before else (), code.clusters if code else ())
        self._hosts.put(key, code)

    def _keep_clusters(self, before: Iterable[Cluster], after: Iterable[Cluster]) -> None:
        """Clusters of routes' and plugins' own upstreams, as long as one route has them."""
        old, new = set(before), set(after)
        self._clusters.subtract(old)
        self._clusters.update(new)
        self._clusters = +self._clusters
        gone = {cluster[0] for cluster in old if cluster not in self._clusters}
        self._write(snapshot.CLUSTER, {**dict.fromkeys(gone), **{name: body for name, body, _ in new}})
        self._write(snapshot.ENDPOINTS, {**dict.fromkeys(gone), **{name: endpoints for name, _, endpoints in new}})

    def _update_scopes(self) -> None:
        built, gone = self._hosts.flush(self._global_rules)
        routes = {snapshot.ROUTES_OF + name: body for name, body in built.items()}
        self._write(snapshot.ROUTES, {**{snapshot.ROUTES_OF + name: None for name in gone}, **routes})
        self._write(snapshot.SCOPED_ROUTES, {**dict.fromkeys(gone), **{name: scopes.scoped(name) for name in built}})
        layouts = self._hosts.layouts()
        if layouts != self._layouts:
            encoded = {host: msgspec.msgpack.encode(layout) for host, layout in layouts.items()}
            self._write(snapshot.HOST, {**dict.fromkeys(self._layouts), **encoded})
            self._layouts = layouts

    def _all(self, kind: str) -> Mapping[str, Document]:
        return self._documents.get(kind, {})

    def _known(self, kind: str, key: str) -> Document | None:
        """The document; when it is gone, so is its problem."""
        document = self._all(kind).get(key)
        if document is None:
            self._problems.pop(f"{kind}/{key}", None)
        return document

    def _attempt(self, kind: str, key: str, make: Callable[[], _T]) -> _T | None:
        """`make()`, or None with the reason kept as the document's problem."""
        self._problems.pop(f"{kind}/{key}", None)
        try:
            return make()
        except ValidationError as error:
            self._problems[f"{kind}/{key}"] = "; ".join(sentences(error))
        except Invalid as error:
            self._problems[f"{kind}/{key}"] = str(error)
        except Exception as error:  # noqa: BLE001  (whatever one document does to us, the others go on)
            self._problems[f"{kind}/{key}"] = repr(error)
        return None

    def _write(self, type_url: str, bodies: Mapping[str, bytes | None]) -> None:
        """Set (bytes) or remove (None) resources; a type without a change keeps its very mapping."""
        held = self._entries.get(type_url, {})
        fresh = {name: entry(body) for name, body in bodies.items() if body is not None}
        gone = [name for name, body in bodies.items() if body is None and name in held]
        changed = {name: new for name, new in fresh.items() if held.get(name) != new}
        if changed or gone:
            kept = {name: old for name, old in held.items() if name not in gone}
            kept.update(changed)
            self._entries[type_url] = kept


def _named(document: Document) -> set[str]:
    """The ids of certificates, authorities and registries that an SNI, service or upstream names."""
    if document.kind == "snis":
        mtls: Mapping[str, Any] = document.body.get("mtls") or {}
        return {*document.body["certificates"], *(mtls.get("ca_certificates") or ())}
    upstream: Mapping[str, Any] = (
        (document.body.get("upstream") or {}) if document.kind == "services" else document.body
    )
    registry = str(upstream.get("service_name") or "").partition("/")[0]
    return {upstream.get("client_certificate") or "", *(upstream.get("ca_certificates") or ()), registry}
