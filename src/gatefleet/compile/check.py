"""Whether a document can be carried, asked when it is written: what the compiler would refuse later is refused now."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from gatefleet.compile import resolve, server_names, streams
from gatefleet.compile.emit import chains, credentials, upstreams
from gatefleet.compile.emit.routes import compile_route
from gatefleet.errors import Invalid
from gatefleet.resources import Document
from gatefleet.resources.carriage import with_tokens

Json = Mapping[str, Any]
PROBE_ROUTE: Json = {"name": "check", "paths": ["/*"]}


def check(
    document: Document,
    service: Json | None = None,
    metadata: chains.Metadata | None = None,
    protos: Mapping[str, str] | None = None,
) -> None:
    """Raise errors.Invalid (or pydantic.ValidationError) naming the field that cannot be carried.

    `service` is the body of the service a route or upstream belongs to, if it is known yet; `metadata` the group's
    plugin metadata, `protos` its protobuf definitions by id, None where they are not known.
    """
    document = replace(document, body=with_tokens(document.kind, document.body))
    service = with_tokens("services", service) if service else None
    known = chains.Shared(metadata or {}, protos)
    if shape_only := SHAPE_ONLY.get(document.kind):
        shape_only(document)
        return
    match document.kind:
        case "services":
            _service(document, known)
        case "routes":
            _route(document, service or {}, known)
        case "stream_routes":
            streams.stream_route(document.id, document.body, document.parent or "", service or {})
        case "consumers":
            consumer = resolve.consumer(document.id, document.body, ())
            chains.filters_only(consumer.plugins, known)
            credentials.consumer_entries(consumer)
        case "global_rules":
            chains.filters_only(resolve.uses(document.body.get("plugins") or {}, "global").values(), known)
        case kind:
            raise Invalid(f"[{kind}] is not a kind the data plane serves")


def _service(document: Document, shared: chains.Shared) -> None:
    upstreams.compile_cluster(resolve.upstream(document.id, document.body.get("upstream") or {}))
    if document.body.get("type") == "stream":
        streams.stream_route("check", {}, document.id, document.body)
    else:
        _route(Document("routes", "check", document.id, PROBE_ROUTE), document.body, shared)


def _route(document: Document, service: Json, shared: chains.Shared) -> None:
    route = resolve.route(document.id, document.body, document.parent or "", service)
    compile_route(route, (), shared, authenticated=False)


def _metadata(document: Document) -> None:
    plugin = resolve.plugin(document.id)
    if plugin.metadata is None:
        raise Invalid(f"plugin [{plugin.name}] has no metadata")
    plugin.read_metadata(document.body)


def _upstream(document: Document) -> None:
    upstreams.compile_cluster(resolve.upstream(document.key, document.body))


def _credential(document: Document) -> None:
    owner = document.parent or ""
    credentials.consumer_entries(resolve.consumer(owner, {}, [(document.id, document.body)]))


SHAPE_ONLY: Final[Mapping[str, Callable[[Document], object]]] = {
    "upstreams": _upstream,
    "credentials": _credential,
    "ssls": lambda document: server_names.of_ssl(document.id, document.body),
    "snis": lambda document: server_names.of_sni(document.id, document.body, None),
    "plugin_metadata": _metadata,
}
"""Kinds whose documents can be judged by themselves."""
