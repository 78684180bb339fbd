"""Sends a copy of requests, with their bodies, somewhere else; nobody waits for it, and its answer is thrown away.

The copy goes to the mirror under the mirror's own name in the Host header. On routes and services only.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator

from gatefleet.filters import place_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, RoutePatch, Scope
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.type import v3 as envoy_type
from gatefleet.protos.google import protobuf as wkt

MILLION = 1_000_000


class ProxyMirror(Conf):
    """Where copies go, and of how many requests."""

    host: str = Field(
        pattern=r"^https?://([0-9a-zA-Z.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?$",
        max_length=512,
        description="The mirror, as `http://host:port`. Certificates of `https` are checked.",
    )
    path: str | None = Field(
        default=None, pattern=r"^/", description="Not supported: copies keep their path; any value is refused."
    )
    path_concat_mode: Literal["replace", "prefix"] = Field(
        default="replace", description="How `path` and the request's own would be joined; without `path` no matter."
    )
    sample_ratio: float = Field(
        default=1, ge=0.00001, le=1, description="The share of the requests that are copied, from 0.00001 to 1."
    )

    @field_validator("path")
    @classmethod
    def keeps_its_path(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("cannot be carried: copies keep the path of the request")
        return value


def translate(conf: ProxyMirror, _: Scope) -> Iterator[Effect]:
    place = place_of(conf.host, "host", verify=True)
    share = envoy_type.FractionalPercent(numerator=round(conf.sample_ratio * MILLION), denominator="MILLION")
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
)
