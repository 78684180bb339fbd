"""Lets browsers call gRPC services: requests in the form of gRPC-Web, plain or as text, become calls of gRPC.

The route's path has to end in `*`: what the star stands for is the method that is called. Answers may be read by pages
of every origin unless the plugin cors says otherwise.
"""

from collections.abc import Iterator

from pydantic import Field

from gatefleet.errors import Invalid
from gatefleet.filters import KEEP_PATH, lua, lua_source
from gatefleet.plugin import Conf, Effect, Filter, Phase, Plugin, RoutePatch, Scope
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.http.grpc_web import v3 as grpc_web

SOURCE = lua_source(__name__)


class GrpcWeb(Conf):
    """Which headers pages may send."""

    cors_allow_headers: str = Field(
        default="content-type,x-grpc-web,x-user-agent",
        pattern=r"^[A-Za-z0-9!#$&'*+.^_`|~, -]*$",
        max_length=4096,
        description="Headers that pages of other origins may send, separated by commas.",
    )


def translate(conf: GrpcWeb, scope: Scope) -> Iterator[Effect]:
    if not scope.owner.startswith(("route:", "service:", "check")) or scope.conditional:
        raise Invalid("[grpc-web] works on routes and services only, and for every request")
    prefixes = [path[:-1] for path in scope.paths if path.endswith("*")]
    yield RoutePatch(route.Route(route=route.RouteAction(path_rewrite=KEEP_PATH)))
    yield from lua("grpc-web", SOURCE, {"prefixes": prefixes, "allowed": conf.cors_allow_headers})
    yield Filter(grpc_web.GrpcWeb())


PLUGIN = Plugin(
    name="grpc-web",
    priority=505,
    phase=Phase.ACCESS,
    conf=GrpcWeb,
    translate=translate,
    summary="Lets browsers call gRPC services.",
    category="transformation",
    examples={"For browsers": {}},
)
