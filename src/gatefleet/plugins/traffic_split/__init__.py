"""Sends shares of the requests to other upstreams of the service, by conditions and by weights.

The first rule whose conditions hold counts; without one, and for entries that name no upstream, requests go where they
would have gone. Weights are kept per worker. Counters, restrictions and all other plugins stay the route's own.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator

from gatefleet.errors import Invalid
from gatefleet.expressions import LIBRARIES, any_of, read
from gatefleet.filters import cluster_by_header, lua, lua_source, native
from gatefleet.plugin import Conf, Effect, Phase, Plugin, RoutePatch, Scope

SOURCE = lua_source(__name__)
HEADER = "x-gf-upstream"


class Match(Conf):
    """Conditions that all have to hold."""

    vars: list[Any] | None = Field(default=None, description="Conditions, as `vars` of routes.")


class Share(Conf):
    """One upstream and its share."""

    upstream_id: str | int | None = Field(
        default=None, description="An upstream of the service; without it, the one requests go to anyway."
    )
    upstream: dict[str, Any] | None = Field(
        default=None, description="Not supported: give the service that upstream, and name it by `upstream_id`."
    )
    weight: int = Field(default=1, ge=0, le=10**6, description="Its share of the requests.")

    @field_validator("upstream")
    @classmethod
    def by_id_only(cls, value: dict[str, Any] | None) -> None:
        if value is not None:
            raise ValueError("cannot be carried yet: give the service that upstream, and name it by upstream_id")


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
        raise Invalid("traffic-split works on routes and services only")
    rules: list[dict[str, Any]] = []
    names: set[str] = set()
    for number, rule in enumerate(conf.rules):
        at = f"rules.{number}.match"
        found = any_of([read("traffic-split", m.vars, at, scope) for m in rule.match or () if m.vars])
        yield from found.before
        clusters = [_cluster(share, scope) for share in rule.weighted_upstreams]
        names.update(filter(None, clusters))
        pairs = zip(clusters, rule.weighted_upstreams, strict=True)
        shares = [{"name": cluster, "weight": share.weight} for cluster, share in pairs]
        rules.append({"match": found.tree, "shares": shares})
    if not names:
        return
    yield RoutePatch(cluster_by_header(HEADER, sorted(names), otherwise=scope.service_id))
    yield from lua("traffic-split", SOURCE, {"header": HEADER, "rules": rules}, (*LIBRARIES, "weights"))
    yield native("traffic-split", b"")


def _cluster(share: Share, scope: Scope) -> str:
    return "" if share.upstream_id is None else f"{scope.service_id}/{share.upstream_id}"


PLUGIN = Plugin(
    name="traffic-split",
    priority=966,
    phase=Phase.ACCESS,
    conf=TrafficSplit,
    translate=translate,
    summary="Sends shares of the requests to other upstreams.",
    category="traffic",
)
