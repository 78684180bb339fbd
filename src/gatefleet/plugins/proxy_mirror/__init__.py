"""Sends a copy of requests, with their bodies, somewhere else; nobody waits for it, and its answer is thrown away.

The copy goes to the mirror under the mirror's own name in the Host header. Without `path` Envoy copies what the
upstream is sent, bodies of any length with it, on routes and services only; with `path` our Lua copies the request as
it came, and bodies of more than a megabyte are answered with 413.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gatefleet.filters import lua, lua_source, place_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, RoutePatch, Scope
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.type import v3 as envoy_type
from gatefleet.protos.google import protobuf as wkt

MILLION = 1_000_000
SOURCE = lua_source(__name__)


class ProxyMirror(Conf):
    """Where copies go, and of how many requests."""

    host: str = Field(
        pattern=r"^https?://([0-9a-zA-Z.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?$",
        max_length=512,
        description="The mirror, as `http://host:port`. Certificates of `https` are checked.",
    )
    path: str | None = Field(
        default=None,
        pattern=r"^/[!-%'->@-~]*$",
        max_length=4096,
        description="The path of copies; without it they keep the request's. Arguments stay.",
    )
    path_concat_mode: Literal["replace", "prefix"] = Field(
        default="replace", description="`path` instead of the request's own, or before it."
    )
    sample_ratio: float = Field(
        default=1, ge=0.00001, le=1, description="The share of the requests that are copied, from 0.00001 to 1."
    )


def translate(conf: ProxyMirror, _: Scope) -> Iterator[Effect]:
    place = place_of(conf.host, "host", verify=True)
    share = envoy_type.FractionalPercent(numerator=round(conf.sample_ratio * MILLION), denominator="MILLION")
    if conf.path is not None:
        context = {**place, "path": conf.path, "before": conf.path_concat_mode == "prefix", "share": conf.sample_ratio}
        yield from lua("proxy-mirror", SOURCE, context, ("forms",))
        return
    policy = route.RouteAction.RequestMirrorPolicy(
        cluster=place["cluster"],
        runtime_fraction=core.RuntimeFractionalPercent(default_value=share),
        trace_sampled=wkt.BoolValue(value=False),
        disable_shadow_host_suffix_append=True,
        host_rewrite_literal=place["authority"],
    )
    yield RoutePatch(route.Route(route=route.RouteAction(request_mirror_policies=[policy])))


PLUGIN = Plugin(
    name="proxy-mirror",
    priority=1010,
    phase=Phase.REWRITE,
    conf=ProxyMirror,
    translate=translate,
    summary="Sends copies of requests somewhere else.",
    category="traffic",
    examples={"One request in ten": {"host": "http://mirror.example:8080", "sample_ratio": 0.1}},
)
