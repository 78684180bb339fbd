"""Whether a document can be carried, asked when it is written: what the compiler would refuse later is refused now."""

from collections.abc import Mapping
from typing import Any

from gatefleet.compile import resolve, streams
from gatefleet.compile.emit import chains, credentials, upstreams
from gatefleet.compile.emit.routes import compile_route
from gatefleet.errors import Invalid
from gatefleet.resources import Document

Json = Mapping[str, Any]
PROBE_ROUTE: Json = {"name": "check", "paths": ["/*"]}


def check(document: Document, service: Json | None = None, metadata: chains.Metadata | None = None) -> None:
    """Raise errors.Invalid (or pydantic.ValidationError) naming the field that cannot be carried.

    `service` is the body of the service a route or upstream belongs to, if it is known yet; `metadata` the group's
    plugin metadata.
    """
    known = metadata or {}
    match document.kind:
        case "services":
            _service(document, known)
        case "upstreams":
            upstreams.compile_cluster(resolve.upstream(document.key, document.body))
        case "routes":
            _route(document, service or {}, known)
        case "stream_routes":
            streams.stream_route(document.id, document.body, document.parent or "", service or {})
        case "consumers":
            consumer = resolve.consumer(document.id, document.body, ())
            chains.filters_only(consumer.plugins, known)
            credentials.consumer_entries(consumer)
        case "credentials":
            owner = document.parent or ""
            credentials.consumer_entries(resolve.consumer(owner, {}, [(document.id, document.body)]))
        case "ssls":
            list(credentials.secrets(resolve.certificate(document.id, document.body)))
        case "global_rules":
            chains.filters_only(resolve.uses(document.body.get("plugins") or {}, "global").values(), known)
        case "plugin_metadata":
            _metadata(document)
        case kind:
            raise Invalid(f"[{kind}] is not a kind the data plane serves")


def _service(document: Document, metadata: chains.Metadata) -> None:
    upstreams.compile_cluster(resolve.upstream(document.id, document.body.get("upstream") or {}))
    if document.body.get("type") == "stream":
        streams.stream_route("check", {}, document.id, document.body)
    else:
        _route(Document("routes", "check", document.id, PROBE_ROUTE), document.body, metadata)


def _route(document: Document, service: Json, metadata: chains.Metadata) -> None:
    route = resolve.route(document.id, document.body, document.parent or "", service)
    compile_route(route, (), metadata, authenticated=False)


def _metadata(document: Document) -> None:
    plugin = resolve.plugin(document.id)
    if plugin.metadata is None:
        raise Invalid(f"plugin [{plugin.name}] has no metadata")
    plugin.read_metadata(document.body)
