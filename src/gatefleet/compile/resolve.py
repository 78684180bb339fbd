"""Documents to IR: follow references, inherit from the service, merge plugins, say in one place what a field means."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast

from pydantic import ValidationError

from gatefleet import plugins
from gatefleet.compile import ir
from gatefleet.compile import vars as conditions
from gatefleet.compile.server_names import Trust
from gatefleet.discovery import Lookup
from gatefleet.errors import Invalid
from gatefleet.filters import chain_position
from gatefleet.plugin import Plugin
from gatefleet.resources.messages import error_at, sentences
from gatefleet.resources.service_registry import configuration
from gatefleet.resources.shape import HOST_PATTERN
from gatefleet.resources.upstream import Upstream as Shaped

Json = Mapping[str, Any]
DEFAULT_TIMEOUT = 60.0
NAMING: Final = ("service_name", "client_certificate", "ca_certificates")
"""Fields of an upstream that name other documents."""
TLS_SCHEMES = ("https", "grpcs")
CONSUMER_HEADER: Final = "x-consumer-username"
HEADER_LINE: Final = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+ *:[^\x00-\x08\x0a-\x1f\x7f]*")
HASH_PREFIXES: Final[Mapping[str, ir.HashOn]] = {"http_": "header", "cookie_": "cookie", "arg_": "argument"}


def upstream_name(service_id: str, upstream_id: str | None = None) -> str:
    """The cluster of a service's default upstream, or of one of its extra upstreams."""
    return service_id if upstream_id is None else f"{service_id}/{upstream_id}"


def uses(configs: Json, owner: str) -> dict[str, ir.PluginUse]:
    """A document's plugins by name, disabled ones included (they switch off what they would inherit)."""
    return {name: _use(name, conf, owner) for name, conf in sorted(configs.items())}


def merged(*levels: Mapping[str, ir.PluginUse]) -> tuple[ir.PluginUse, ...]:
    """Plugins in the order they run; a later level replaces an earlier one's plugin of the same name."""
    by_name = {name: use for level in levels for name, use in level.items()}
    active = (use for use in by_name.values() if not _meta(use.conf).get("disable"))
    return tuple(sorted(active, key=lambda use: use.order))


def route(
    document_id: str,
    body: Json,
    service_id: str,
    service: Json,
    inherited: Mapping[str, ir.PluginUse] | None = None,
    others: Sequence[Json] = (),
) -> ir.Route:
    """One route of `service`; `inherited` are plugins of the whole group that stand in each route.

    `others` are the service's upstreams beside its default one.

    Raises Invalid naming the field that cannot be carried.
    """
    if body.get("filter_func"):
        raise Invalid('Error at "/filter_func": Lua functions cannot choose routes here; say it with vars')
    own: Json | None = body.get("upstream")
    upstream: Json = own or service.get("upstream") or {}
    name = f"{service_id}/~{document_id}" if own else upstream_name(service_id)
    prefix = (service.get("path_prefix") or "").rstrip("/")
    timeout: Json = body.get("timeout") or upstream.get("timeout") or {}
    at_work = merged(
        inherited or {},
        uses(service.get("plugins") or {}, f"service:{service_id}"),
        uses(body.get("plugins") or {}, f"route:{document_id}"),
    )
    splits = any(plugin(use.name).splits for use in at_work)
    return ir.Route(
        id=document_id,
        name=body.get("name") or document_id,
        service_id=service_id,
        service_name=service.get("name") or service_id,
        hosts=(_route_hosts(body) or _hosts(service.get("hosts") or ("*",))) if body.get("status", 1) else (),
        paths=tuple(prefix + path for path in body.get("paths") or body.get("uris") or ("/*",)),
        strip=prefix if service.get("strip_path_prefix", True) else "",
        methods=tuple(sorted(body.get("methods") or ())),
        vars=tuple(body.get("vars") or ()),
        remote_addrs=_clients(body),
        priority=int(body.get("priority") or 0),
        websocket=bool(body.get("enable_websocket")),
        read_timeout=float(timeout.get("read") or DEFAULT_TIMEOUT),
        upstream=name,
        host_to_upstream=_host_to_upstream(upstream),
        hash_texts=hash_texts([upstream, *others] if splits else [upstream]),
        plugins=at_work,
        own_upstream=own_upstream(name, own, ()) if own else None,
        documents={"route": {"id": document_id, **body}, "service": {"id": service_id, **service}},
    )


def upstream(name: str, body: Json, trust: Trust | None = None) -> ir.Upstream:
    """A service's default or extra upstream; raises Invalid for what cannot be carried.

    `trust` has the certificates it may name by id; without it those names are not looked at.
    """
    timeout: Json = body.get("timeout") or {}
    pool: Json = body.get("keepalive_pool") or {}
    tls: Json = body.get("tls") or {}
    return ir.Upstream(
        name=name,
        scheme=body.get("scheme") or "http",
        balancer=body.get("type") or "roundrobin",
        nodes=tuple(
            sorted((_node(n, body) for n in body.get("nodes") or ()), key=lambda n: (n.priority, n.host, n.port))
        ),
        connect_timeout=float(timeout.get("connect") or DEFAULT_TIMEOUT),
        idle_timeout=float(pool.get("idle_timeout") or 60),
        requests_per_connection=int(pool.get("requests") or 1000),
        retries=_retries(body),
        hash_on=_hash_on(body),
        server_name=body.get("upstream_host") or "" if body.get("pass_host") == "rewrite" else "",
        client_certificate=_client_certificate(body, trust),
        verify=bool(tls.get("verify") or body.get("tls_verify")),
        authorities=trust.authorities_of(body.get("ca_certificates") or (), ("ca_certificates",)) if trust else "",
        checks=_checks(body),
        lookup=_lookup(body, trust) if trust and body.get("service_name") else None,
    )


def own_upstream(name: str, body: Json, at: tuple[str, ...]) -> ir.Upstream:
    """An upstream that stands within a route or, `at` its plugin, is that one's own; raises Invalid as `upstream` does.

    What names another document belongs to an upstream of the service.
    """
    place = (*at, "upstream")
    try:
        shaped = Shaped.model_validate(body).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise Invalid("; ".join(sentences(error, place))) from None
    for field in NAMING:
        if body.get(field):
            raise Invalid(error_at((*place, field), "only upstreams of services can have it; give the service one"))
    return upstream(name, {**body, "nodes": shaped.get("nodes") or ()})


def _lookup(body: Json, trust: Trust) -> Lookup:
    """Where an upstream is looked up: `service_name` is <registry>/<namespace>[/<group>]/<name>."""
    registry_id, *path = str(body["service_name"]).split("/")
    registry = trust.registries.get(registry_id)
    if registry is None:
        raise Invalid(f'Error at "/service_name": service registry [{registry_id}] not found')
    kind = registry["type"]
    if body.get("discovery_type") not in {None, kind}:
        raise Invalid(f'Error at "/discovery_type": service registry [{registry_id}] is of type {kind}')
    if not 2 <= len(path) <= 3:
        raise Invalid('Error at "/service_name": value must be <service registry id>/<namespace>[/<group>]/<name>')
    arguments: Json = body.get("discovery_args") or {}
    health: Json = registry.get("health_check") or {}
    return Lookup(
        registry=registry_id,
        type=kind,
        config=configuration(registry),
        patience=int(health.get("probe_timeout") or 5),
        namespace=path[0],
        group=path[1] if len(path) == 3 else "",
        service=path[-1],
        metadata=dict(arguments.get("metadata") or {}),
        default_port=443 if body.get("scheme") in TLS_SCHEMES else 80,
    )


def _client_certificate(body: Json, trust: Trust | None) -> tuple[str, str] | None:
    tls: Json = body.get("tls") or {}
    if tls.get("client_cert") and tls.get("client_key"):
        return tls["client_cert"], tls["client_key"]
    if trust and (name := body.get("client_certificate")):
        if name not in trust.pairs:
            raise Invalid(f'Error at "/client_certificate": certificate [{name}] not found')
        return trust.pairs[name]
    return None


def consumer(username: str, body: Json, credentials: Iterable[tuple[str, Json]]) -> ir.Consumer:
    """A consumer with its credentials: those of its own (id, body) and auth plugins written on it directly."""
    configs: Json = body.get("plugins") or {}
    direct = [(username, name, conf) for name, conf in sorted(configs.items()) if plugin(name).auth]
    own: list[tuple[str, str, Json]] = []
    for credential_id, credential in credentials:
        held: Json = credential.get("plugins") or {}
        own += [(credential_id, name, conf) for name, conf in sorted(held.items())]
    working = uses({n: c for n, c in configs.items() if not plugin(n).auth}, f"consumer:{username}")
    return ir.Consumer(
        username=username,
        labels=body.get("labels") or {},
        credentials=tuple(direct + own),
        plugins=tuple(sorted(working.values(), key=lambda use: use.order)),
    )


def plugin(name: str) -> Plugin:
    """The plugin of that name; raises Invalid for one we do not carry."""
    found = plugins.registry().get(name)
    if found is None:
        raise Invalid(f"unknown plugin [{name}]")
    return found


def condition(use: ir.PluginUse) -> conditions.Conditions:
    """When the plugin runs (`_meta.filter`): always for no predicates. Raises Invalid for what cannot be carried."""
    given = _meta(use.conf).get("filter") or ()
    return conditions.read(given, f"/plugins/{use.name}/_meta/filter", in_chain=True)


def _use(name: str, conf: Json, owner: str) -> ir.PluginUse:
    used = plugin(name)
    priority = _meta(conf).get("priority")
    placed = used if priority is None else replace(used, priority=int(priority))
    return ir.PluginUse(name=name, owner=owner, conf=conf, order=(*chain_position(placed), name))


def _meta(conf: Json) -> Json:
    return conf.get("_meta") or {}


def _hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({_host(host) for host in hosts}))


def _host(host: str) -> str:
    if host.startswith("*") and host != "*" and not host.startswith("*."):
        raise Invalid(f'Error at "/hosts": [{host}] must begin with "*." to match the names below')
    return host.lower()


def _route_hosts(body: Json) -> tuple[str, ...]:
    field = "hosts" if body.get("hosts") else "host"
    given: Any = body.get("hosts") or ([body["host"]] if body.get("host") else [])
    listed = cast("list[Any]", given) if isinstance(given, list | tuple) else [given]
    if not all(isinstance(host, str) and re.match(HOST_PATTERN, host) for host in listed):
        raise Invalid(f'Error at "/{field}": {listed!r} are not host names')
    return _hosts(cast("list[str]", listed))


def _clients(body: Json) -> tuple[str, ...]:
    """The networks of `remote_addrs` or `remote_addr`."""
    field = "remote_addrs" if body.get("remote_addrs") else "remote_addr"
    given: Any = body.get("remote_addrs") or ([body["remote_addr"]] if body.get("remote_addr") else [])
    listed = cast("list[Any]", given) if isinstance(given, list | tuple) else [given]
    return tuple(conditions.network(one, f"/{field}") for one in listed)


def _host_to_upstream(upstream: Json) -> str:
    match upstream.get("pass_host") or "pass":
        case "node":
            return "*node"
        case "rewrite":
            return upstream.get("upstream_host") or ""
        case _:
            return ""


def _retries(upstream: Json) -> int:
    """How many further nodes are tried; as many as can fail to connect within `retry_timeout`."""
    nodes, given = upstream.get("nodes") or (), upstream.get("retries")
    wanted = max(len(nodes) - 1, 0) if given is None else int(given)
    within = float(upstream.get("retry_timeout") or 0)
    timeout: Json = upstream.get("timeout") or {}
    connect = float(timeout.get("connect") or DEFAULT_TIMEOUT)
    return min(wanted, math.ceil(within / connect)) if within else wanted


def _checks(upstream: Json) -> Json:
    checks: Json = upstream.get("checks") or {}
    active: Json = checks.get("active") or {}
    if active.get("type") == "https" and upstream.get("scheme") not in TLS_SCHEMES:
        raise Invalid('Error at "/upstream/checks/active/type": [https] checks need the scheme https or grpcs')
    if not re.fullmatch(r"/[\x21-\x7e]*", active.get("http_path") or "/"):
        raise Invalid('Error at "/upstream/checks/active/http_path": it must begin with "/" and hold no blanks')
    if wrong := [line for line in active.get("req_headers") or () if not HEADER_LINE.fullmatch(line)]:
        raise Invalid(f'Error at "/upstream/checks/active/req_headers": {wrong[0]!r} is not "name: value"')
    return checks


def _hash_on(upstream: Json) -> tuple[ir.HashOn, str] | None:
    if upstream.get("type") != "chash":
        return None
    on, key = upstream.get("hash_on") or "vars", str(upstream.get("key") or "")
    if on not in ("consumer", "vars") and not key:
        raise Invalid(f'Error at "/upstream/key": it is missing, and hash_on is [{on}]')
    match on:
        case "consumer":
            return ("header", CONSUMER_HEADER)
        case "header" | "cookie":
            return (on, key)
        case "vars":
            return _hash_variable(key or "remote_addr")
        case _:
            return ("text", key)


def _hash_variable(name: str) -> tuple[ir.HashOn, str]:
    if name == "remote_addr":
        return ("client", "")
    for prefix, kind in HASH_PREFIXES.items():
        if name.startswith(prefix) and len(name) > len(prefix) and name != "http_host":
            key = name.removeprefix(prefix)
            return (kind, key.replace("_", "-") if kind == "header" else key)
    return ("text", f"${{{name}}}")


def hash_texts(upstreams: Iterable[Json]) -> tuple[str, ...]:
    """Templates with variables that any of these upstreams hashes on; one that cannot be carried hashes on nothing."""
    texts: set[str] = set()
    for one in upstreams:
        with suppress(Invalid):
            on = _hash_on(one)
            texts.update([on[1]] if on and on[0] == "text" else [])
    return tuple(sorted(texts))


def _node(node: Json, upstream: Json) -> ir.Node:
    port = node.get("port") or (443 if upstream.get("scheme") in TLS_SCHEMES else 80)
    return ir.Node(
        host=node["host"], port=int(port), weight=int(node.get("weight", 100)), priority=int(node.get("priority") or 0)
    )
