"""Sends shares of the requests to other upstreams, by conditions and by weights.

The first rule whose conditions hold counts; without one, and for entries that name no upstream, requests go where they
would have gone. Weights are kept per worker. Counters, restrictions and all other plugins stay the route's own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self, cast

from pydantic import Field, model_validator

from gatefleet.errors import Invalid
from gatefleet.expressions import LIBRARIES, any_of, read
from gatefleet.filters import cluster_by_header, lua, lua_source, native
from gatefleet.plugin import Conf, Effect, OwnUpstream, Phase, Plugin, RoutePatch, Scope

SOURCE = lua_source(__name__)
HEADER = "x-gf-upstream"


class Match(Conf):
    """Conditions that all have to hold."""

    vars: list[Any] | None = Field(default=None, description="Conditions, as `vars` of routes.")


def _nodes(upstream: Mapping[str, Any]) -> list[str]:
    """The hosts of its nodes, whichever way they are written."""
    nodes: Any = upstream.get("nodes") or []
    listed: list[Any] = list(nodes)
    if isinstance(nodes, Mapping):
        return [str(name) for name in listed]
    return [
        f"{one['host']}:{one['port']}" if "port" in one else str(one.get("host"))
        for one in (cast("Mapping[str, Any]", node) for node in listed if isinstance(node, Mapping))
    ]


def _hashes_on_one(upstream: Mapping[str, Any]) -> bool:
    """Whether the node is chosen by something that Envoy can look at by itself."""
    if upstream.get("type") != "chash" or upstream.get("hash_on", "vars") != "vars":
        return True
    key = str(upstream.get("key") or "remote_addr")
    return key == "remote_addr" or (key != "http_host" and key.startswith(("http_", "cookie_", "arg_")))


class Share(Conf):
    """One upstream and its share."""

    upstream_id: str | int | None = Field(
        default=None, description="An upstream of the service; without it, the one requests go to anyway."
    )
    upstream: dict[str, Any] | None = Field(
        default=None,
        description="An upstream of its own, with `nodes` and whatever upstreams have; what names another document, a "
        "client's certificate and hashing on several variables are refused. Its `pass_host` `node` needs one node.",
    )
    weight: int = Field(default=1, ge=0, le=10**6, description="Its share of the requests.")

    @model_validator(mode="after")
    def can_be_reached(self) -> Self:
        own = self.upstream or {}
        if self.upstream is not None and self.upstream_id is not None:
            raise ValueError("only one of upstream and upstream_id can be configured")
        if own.get("tls"):
            raise ValueError("upstream.tls cannot be carried here: give the service that upstream")
        if own.get("hash_on") == "vars_combinations" or not _hashes_on_one(own):
            raise ValueError("upstream.key: hashing on this cannot be carried here; give the service that upstream")
        if own.get("pass_host") == "node" and len(_nodes(own)) != 1:
            raise ValueError("upstream.pass_host: node needs exactly one node here")
        return self


class Rule(Conf):
    """One rule: where requests go for which the conditions of one `match` hold."""

    match: Annotated[tuple[Match, ...], Field(strict=False)] | None = Field(
        default=None, description="Any of these; without them every request."
    )
    weighted_upstreams: Annotated[tuple[Share, ...], Field(strict=False, min_length=1, max_length=20)] = Field(
        default=(Share(),), description="Where requests go, by their shares."
    )


class TrafficSplit(Conf):
    """Rules, asked in their order."""

    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = Field(default=(), description="The rules.")


def translate(conf: TrafficSplit, scope: Scope) -> Iterator[Effect]:
    if not scope.owner.startswith(("route:", "service:", "check")):
        raise Invalid("[traffic-split] works on routes and services only")
    rules: list[dict[str, Any]] = []
    names: set[str] = set()
    for number, rule in enumerate(conf.rules):
        at = f"rules.{number}.match"
        found = any_of([read("traffic-split", m.vars, at, scope) for m in rule.match or () if m.vars])
        yield from found.before
        shares: list[dict[str, Any]] = []
        for share in rule.weighted_upstreams:
            cluster = _cluster(share, scope)
            shares.append({"name": cluster, "weight": share.weight, "host": _host(share.upstream or {})})
            names.update([cluster] if cluster else [])
            if share.upstream is not None:
                yield OwnUpstream(cluster, share.upstream)
        rules.append({"match": found.tree, "shares": shares})
    if not names:
        return
    yield RoutePatch(cluster_by_header(HEADER, sorted(names), otherwise=scope.upstream or scope.service_id))
    yield from lua("traffic-split", SOURCE, {"header": HEADER, "rules": rules}, (*LIBRARIES, "weights"))
    yield native("traffic-split", b"")


def _cluster(share: Share, scope: Scope) -> str:
    """The name of its cluster; the same upstream written twice is one."""
    if share.upstream is not None:
        written = json.dumps(share.upstream, sort_keys=True).encode()
        return f"{scope.service_id}/~~{hashlib.sha256(written).hexdigest()[:16]}"
    return "" if share.upstream_id is None else f"{scope.service_id}/{share.upstream_id}"


def _host(upstream: Mapping[str, Any]) -> str:
    """The Host header that its requests get; empty for that of the request."""
    match upstream.get("pass_host"):
        case "rewrite":
            return str(upstream.get("upstream_host") or "")
        case "node":
            return _nodes(upstream)[0]
        case _:
            return ""


PLUGIN = Plugin(
    name="traffic-split",
    priority=966,
    phase=Phase.ACCESS,
    conf=TrafficSplit,
    translate=translate,
    summary="Sends shares of the requests to other upstreams.",
    category="traffic",
    examples={
        "One request in ten to a second upstream": {
            "rules": [{"weighted_upstreams": [{"upstream_id": "canary", "weight": 1}, {"weight": 9}]}]
        },
        "Testers to a second upstream": {
            "rules": [
                {
                    "match": [{"vars": [["http_x_audience", "==", "testers"]]}],
                    "weighted_upstreams": [{"upstream_id": "canary", "weight": 1}],
                }
            ]
        },
    },
    splits=True,
)
