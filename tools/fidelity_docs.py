"""Write docs/reference/fidelity.md: each field of routes, upstreams and plugins, and how it is carried.

Usage: python tools/fidelity_docs.py [--check]    (`make docs`; --check only compares, for CI)

Fields come from the shapes and the plugins' configurations, so that none is forgotten; what differs from APISIX is
said here for routes and upstreams, and by the descriptions of their fields for plugins.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import yaml
from pages import DOCS, main
from pydantic import BaseModel

from gatefleet.plugins import registry
from gatefleet.resources import Route, Service, Timeout, Upstream
from gatefleet.resources.accept import Meta
from gatefleet.resources.upstream import Active, ActiveHealthy, ActiveUnhealthy, KeepalivePool, Node, PassiveUnhealthy

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = DOCS / "reference" / "fidelity.md"
CASES: Final = ROOT / "tests" / "conformance" / "cases"
MARK: Final = "<!-- Written by tools/fidelity_docs.py: `make docs`. -->"
DESCRIBING: Final = frozenset({"name", "desc", "labels", "service_id", "plugins"})
REFUSED: Final = re.compile(r"(?i)not supported|: refused|(?:`\w+`|they|it) (?:is|are) refused")
RE2: Final = re.compile(r"\bRE2\b")

ROUTES: Final[Mapping[str, str]] = {
    "paths": "exact, `/x*`, `:name`, `*name` at the end; a `*` elsewhere is refused",
    "hosts, host": "on the route itself, over those of its service",
    "remote_addrs, remote_addr": "the peer's address; headers do not count",
    "vars": "see below",
    "priority": "among routes of one path, as in APISIX; a nearer host goes first",
    "status": "0 switches the route off",
    "upstream": "in place of the service's; what names other documents is **refused**, as is `service_name`",
    "timeout.connect": "**differs**: the upstream's own `connect` counts; a route's is not looked at",
    "timeout.send": "**differs**: `read` bounds every silence between gateway and upstream, in either direction",
    "timeout.read": "504 when the upstream is silent for so long; before the first byte and between two",
    "enable_websocket": "other routes answer an upgrade with 403",
    "filter_func": "**refused**: Lua cannot choose routes",
}
VARS: Final[Mapping[str, str]] = {
    "`==` `~=` `>` `>=` `<` `<=` `in` `has` `ipmatch`, `!`": "as lua-resty-expr; numbers as `tonumber` reads them",
    "`~~` `~*`": "**differs**: RE2; look-around and back-references are refused",
    "`AND` `OR` `!AND` `!OR`": "nested as deep as wanted",
    "`arg_*` `cookie_*` `http_*`": "the first argument of a name; several headers of a name are joined by a comma",
    "`uri` `args` `host` `scheme` `request_method` `request_uri`": "the last **differs**: paths are normalized",
    "`remote_addr` `remote_port` `server_addr` `server_port` `content_type` `content_length`": "as nginx's",
    "`post_arg*` `graphql_*`": "in `vars`, of bodies up to 1 MiB, larger ones get 413; **refused** in `_meta.filter`",
    "`consumer_name` and what else a route brings": "**refused** in `vars`; `consumer_name` works in `_meta.filter`",
}
UPSTREAMS: Final[Mapping[str, str]] = {
    "type": "`roundrobin`, `chash`, `least_conn`; `ewma` **differs**: the less busy of two nodes",
    "pass_host": "**differs** for upstreams that traffic-split names by id: the default upstream's counts",
    "hash_on": "every one; without a value the client's address counts",
    "key": "variables that plugins' templates know; others are refused",
    "nodes[].weight": "0 takes a node out",
    "nodes[].priority": "lower ones come once no node of the higher ones is healthy, or all were tried",
    "retries": "**differs**: what may have reached a node is not sent again, whatever the method",
    "retry_timeout": "**differs**: allows as many retries as can fail to connect within it",
    "keepalive_pool.size": "**differs**: idle connections are bounded by their time only",
    "timeout.send": "**differs**: `read` bounds every silence between gateway and upstream, in either direction",
    "checks.active.type": "`https` needs the scheme https or grpcs; checks of such nodes use TLS always",
    "checks.active.concurrency": "**differs**: nodes are checked independently of each other",
    "checks.active.https_verify_certificate": "**differs**: as the upstream's own TLS says",
    "checks.active.healthy.http_statuses": "every other status counts as a failure",
    "checks.active.unhealthy.http_statuses": "**differs**: every status that is not a healthy one counts",
    "checks.active.unhealthy.http_failures": "failures of any kind in a row (checks over http and https)",
    "checks.active.unhealthy.tcp_failures": "failures in a row (checks over tcp)",
    "checks.active.unhealthy.timeouts": "**differs**: counted with the other failures",
    "checks.passive.unhealthy.http_statuses": "exactly these count",
    "checks.passive.unhealthy.http_failures": "in a row; 0 switches it off",
    "checks.passive.unhealthy.tcp_failures": "in a row, connections refused or not taken in time; 0 switches it off",
    "checks.passive.unhealthy.timeouts": "**differs**: counted with tcp_failures",
}
STREAM_ROUTES: Final[Mapping[str, str]] = {
    "server_port": "the node opens it; without one a route works on the ports that other stream routes open",
    "server_addr": "an address or a network",
    "remote_addr": "the peer's address or network",
    "sni": "exact or `*.suffix`; TLS ends at the node, with the group's certificate for the name",
    "tls_passthrough": "ours: the encrypted bytes are passed on, by server name",
    "several on one port": "**differs**: the most specific one wins, in whatever order they were made",
    "upstream.scheme": "`tcp`, `udp`, `tls`; with `tls` the upstream is asked for the client's server name",
    "upstream.hash_on, key": "the client's address; others are refused",
}
STREAM_PLUGINS: Final[Mapping[str, str]] = {
    "ip-restriction": "TCP and UDP; closed before a byte is read, so `message` is not sent",
    "limit-conn": "TCP; `burst` above 0 is **refused**: a connection cannot be delayed; `policy` local only",
    "traffic-split": "TCP; `match` is **refused**: the first rule's weights count for all",
    "prometheus": "TCP; `apisix_stream_connection_total`, and bytes of our own",
    "mqtt-proxy, syslog": "**refused**",
}
SERVER_NAMES: Final[Mapping[str, str]] = {
    "snis, domain": "exact, or `*.suffix` one level below; claimed twice, one that asks for client certificates wins",
    "cert, key, certs, keys, certificates": "RSA and ECDSA side by side; each client is shown the one it can check",
    "ssl_protocols": "TLSv1.1 to TLSv1.3 without a gap",
    "client.ca, mtls.ca_certificates": "a certificate that is shown and not from them fails the handshake, always",
    "client.depth, mtls.depth": "authorities between the client's certificate and the trusted one",
    "skip_mtls_uri_regex": "**differs**: RE2; other paths without a certificate are answered 400",
    "Host and server name": "a host that wants certificates answers 400 on connections for other objects' names",
    "type": "`client` is **refused**: use `certificates`",
    "plugins": "**refused** on SNIs",
}
SECRETS: Final[Mapping[str, str]] = {
    "$secret://vault, aws, kubernetes": "asked for by the node, again after `--secret-ttl`; both versions of Vault",
    "$env://": "**differs**: a variable that is not there is not the secret itself; `GATEFLEET_*` are not given away",
    "where": "credentials, `cert` and `key` of SSL objects, certificates and `upstream.tls`, fields of plugins that are"
    " used as they are; elsewhere **refused**",
    "a secret that is not there": "**differs**: blocks what needs it (503, or nobody gets in) and is said by the node",
}
META: Final[Mapping[str, str]] = {
    "disable": "also switches off what the service, or for a consumer the route, brings",
    "priority": "moves the plugin within its phase",
    "filter": "as `vars`, and `consumer_name` behind the authentication; at most 4 different in one chain",
    "error_response": "replaces the body of the plugin's refusals",
}


def page() -> Iterator[str]:
    counted = {path.stem: len(yaml.safe_load(path.read_text())["cases"]) for path in CASES.rglob("*.yaml")}
    whole = sum(counted.values())
    yield from ("# What is carried, and how", "", MARK, "")
    yield "Fields not marked behave as APISIX documents them. What is **refused** is refused when it is written, with"
    yield f"the field's name and the reason. {whole} conformance cases (`tests/conformance`) hold a real node to it."
    listed = {"upstream": "", **{name: "" for name in fields(Route, "") if name not in ROUTES}}
    yield from table(
        "Routes", {**{n: t for n, t in listed.items() if n in fields(Route, "")}, **ROUTES}, counted["paths"]
    )
    yield from table("Conditions (`vars`)", VARS, counted["vars"] + counted["bodies"])
    yield from table("Services", dict.fromkeys(fields(Service, ""), ""), None)
    known = {**dict.fromkeys(upstream_fields(), ""), **UPSTREAMS}
    yield from table("Upstreams", dict(sorted(known.items())), counted["upstreams"] + counted["upstreams-consumers"])
    yield from table("Stream routes", STREAM_ROUTES, None)
    yield from table("Plugins on stream routes", STREAM_PLUGINS, None)
    yield from table("SSL objects and SNIs", SERVER_NAMES, None)
    yield from table("References to secrets", SECRETS, None)
    yield from table("Every plugin: `_meta`", {name: META[name] for name in Meta.model_fields}, counted["meta"])
    yield from plugins(counted)


def fields(model: type[BaseModel], at: str) -> list[str]:
    """The fields of a shape that do more than describe it."""
    return [f"{at}{name}" for name in model.model_fields if name not in DESCRIBING]


def upstream_fields() -> Iterator[str]:
    apart = {"nodes", "timeout", "keepalive_pool", "checks"}
    yield from (name for name in fields(Upstream, "") if name not in apart)
    yield from fields(Node, "nodes[].")
    yield from fields(Timeout, "timeout.")
    yield from fields(KeepalivePool, "keepalive_pool.")
    yield from (name for name in fields(Active, "checks.active.") if not name.endswith((".healthy", ".unhealthy")))
    yield from fields(ActiveHealthy, "checks.active.healthy.")
    yield from fields(ActiveUnhealthy, "checks.active.unhealthy.")
    yield from fields(PassiveUnhealthy, "checks.passive.unhealthy.")


def table(title: str, rows: Mapping[str, str], cases: int | None) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if cases is not None:
        yield from (f"{cases} conformance cases.", "")
    yield from ("| field | how |", "|---|---|")
    for name, text in rows.items():
        shown = name if name.startswith("`") else f"`{name}`"
        yield f"| {shown} | {text or 'yes'} |"


def plugins(counted: Mapping[str, int]) -> Iterator[str]:
    yield from ("", "## Plugins", "", "The pages below [plugins](../plugins/README.md) say what each field means.", "")
    yield from ("| plugin | conformance cases | fields carried | otherwise |", "|---|---|---|---|")
    for name, plugin in registry().items():
        told = dict(described(plugin.conf.model_json_schema()))
        carried = [field for field, how in told.items() if not how]
        other = [f"`{field}`: {how}" for field, how in told.items() if how]
        row = (f"[{name}](../plugins/{name}.md)", str(counted.get(name, 0)), ", ".join(f"`{f}`" for f in carried))
        yield f"| {' | '.join(row)} | {'<br>'.join(other)} |"


def described(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field of a plugin, and how it differs; empty where it does not."""
    for name, one in cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {})).items():
        text = str(one.get("description", "")).replace("|", "\\|").replace("\n", " ")
        if REFUSED.search(text):
            yield name, f"**refused** in part. {text}"
        elif RE2.search(text):
            yield name, "**differs**: regular expressions are RE2's"
        else:
            yield name, ""


if __name__ == "__main__":
    sys.exit(main({PAGE: "\n".join(page()) + "\n"}))
