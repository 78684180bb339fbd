"""The plugins of stream routes: their configurations and what each asks of the connections of a route.

They work on connections, not on requests, so they have configurations and effects of their own. Fields, defaults and
ranges are those of APISIX's plugins of the same names in its stream subsystem.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import Field, ValidationError

from gatefleet.errors import Invalid
from gatefleet.native.config import limit_key
from gatefleet.plugin import Conf
from gatefleet.plugins.ip_restriction import IpRestriction
from gatefleet.plugins.prometheus import Prometheus
from gatefleet.resources.messages import error_at, sentences

Json = Mapping[str, Any]
At = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who may connect: only `allowed` where there are any, and none of `denied`; addresses and networks."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenAtOnce:
    """At most `most` open connections per key; `key` as the native module reads it."""

    most: int
    key: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """One of the upstreams that connections are shared out to: the id of one of the service's, or one given in full.

    Neither stands for the service's own.
    """

    weight: int
    upstream_id: str | None = None
    upstream: Json | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """Connections and bytes are counted under ids, or under names."""

    by_name: bool


Effect = Addresses | OpenAtOnce | tuple[Share, ...] | Counted


class LimitConn(Conf):
    """`burst` and the delays are there because the schema wants them: a connection is let in or refused, never held."""

    conn: int = Field(gt=0, description="How many connections may be open for one key.")
    burst: int = Field(ge=0, description="Must be 0: a connection cannot be delayed.")
    default_conn_delay: float = Field(gt=0, description="Without effect while burst is 0.")
    only_use_default_delay: bool = Field(default=False, description="Without effect while burst is 0.")
    key_type: Literal["var", "var_combination"] = "var"
    key: str = Field(min_length=1, description="remote_addr, remote_port, server_addr, server_port, or several.")
    policy: Literal["local", "redis", "redis-cluster"] = "local"
    allow_degradation: bool = False


class WeightedUpstream(Conf):
    upstream_id: str | int | None = None
    upstream: dict[str, Any] | None = None
    weight: int = Field(default=1, ge=0)


class SplitRule(Conf):
    match: list[Any] | None = None
    weighted_upstreams: Annotated[list[WeightedUpstream], Field(min_length=1, max_length=20)]


class TrafficSplit(Conf):
    rules: Annotated[list[SplitRule], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class StreamPlugin:
    """One plugin of stream routes. `translate` is pure and raises errors.Invalid for what cannot be carried."""

    name: str
    conf: type[Conf]
    translate: Callable[[Any], Effect]
    datagrams: bool
    """Whether it works on UDP too."""

    def effect(self, conf: Json, at: At) -> Effect:
        """What `conf`, at this place of its document, asks for; Invalid naming the field that cannot be carried."""
        own = {name: value for name, value in conf.items() if name != "_meta"}
        try:
            read = self.conf.model_validate_json(msgspec.json.encode(own))
        except ValidationError as error:
            raise Invalid("; ".join(sentences(error, at))) from None
        try:
            return self.translate(read)
        except Invalid as error:
            raise Invalid(error_at(at, str(error))) from None


def plugin(name: str, at: At) -> StreamPlugin:
    """The plugin of stream routes of that name; Invalid for one we do not carry."""
    found = STREAM_PLUGINS.get(name)
    if found is None:
        known = ", ".join(sorted(STREAM_PLUGINS))
        raise Invalid(error_at(at, f"plugin [{name}] does not work on stream routes; these do: {known}"))
    return found


def problems(plugins: Json, at: At = ("plugins",)) -> Iterator[str]:
    """Every problem of the plugins of a stream route or service, as sentences."""
    for name, conf in plugins.items():
        try:
            plugin(name, (*at, name)).effect(conf, (*at, name))
        except Invalid as error:
            yield str(error)


def _addresses(conf: IpRestriction) -> Effect:
    return Addresses(allowed=conf.whitelist or (), denied=conf.blacklist or ())


def _open_at_once(conf: LimitConn) -> Effect:
    if conf.burst:
        raise Invalid("burst: a connection is let in or refused, it cannot be delayed; give 0")
    if conf.policy != "local":
        raise Invalid(f"policy: [{conf.policy}] is not supported yet; each node counts for itself, give local")
    parts = tuple(value for _, value in limit_key(conf.key, conf.key_type))
    for part in parts:
        if part[:1] not in (b"=", b"?") and part not in _CONNECTION_VARIABLES:
            raise Invalid(f"key: a connection has no [{part[1:].decode()}]; use remote_addr or server_addr")
    return OpenAtOnce(most=conf.conn, key=tuple(part for part in parts if part[:1] != b"?"))


def _shares(conf: TrafficSplit) -> Effect:
    if conf.rules[0].match:
        raise Invalid("rules/0/match: conditions are not supported on stream routes; leave it out")
    found = [_share(entry) for entry in conf.rules[0].weighted_upstreams if entry.weight > 0]
    if not found:
        raise Invalid("rules/0/weighted_upstreams: one of the weights must be above 0")
    return tuple(found)


def _share(entry: WeightedUpstream) -> Share:
    if entry.upstream_id is not None and entry.upstream is not None:
        raise Invalid("rules/0/weighted_upstreams: give upstream_id or upstream, not both")
    return Share(entry.weight, None if entry.upstream_id is None else str(entry.upstream_id), entry.upstream)


_CONNECTION_VARIABLES: Final = (b"$remote_addr", b"$remote_port", b"$server_addr", b"$server_port")

STREAM_PLUGINS: Final[Mapping[str, StreamPlugin]] = MappingProxyType(
    {
        found.name: found
        for found in (
            StreamPlugin("ip-restriction", IpRestriction, _addresses, datagrams=True),
            StreamPlugin("limit-conn", LimitConn, _open_at_once, datagrams=False),
            StreamPlugin("prometheus", Prometheus, lambda conf: Counted(conf.prefer_name), datagrams=False),
            StreamPlugin("traffic-split", TrafficSplit, _shares, datagrams=False),
        )
    }
)
"""The plugins of stream routes, by name."""
