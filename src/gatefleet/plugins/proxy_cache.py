"""Answers again what an upstream has answered before, by keys and rules of its route.

An answer passes to the client while it is being kept. Each node has two zones: `memory_cache` of 50 MB, and
`disk_cache_one` of 50 MB in memory and 1 GB in files for bodies from 16 kB on; what was not used for longest makes
room. Both are empty after a restart of the node's Envoy, and answers above 10 MB are not kept. `PURGE` instead of the
request's method takes its answer out: 200, or 404 when there was none.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from gatefleet.counting import is_countable
from gatefleet.errors import Invalid
from gatefleet.filters import native
from gatefleet.native.caching import proxy_cache_config
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

ZONES: Final = {"disk_cache_one": "disk", "memory_cache": "memory"}
"""The zones that each node has, and the strategy each is for."""
DISK_TTL: Final = 10
"""Seconds for what says nothing about itself, as in the configuration APISIX is delivered with."""

Value = Annotated[str, Field(pattern=r"^([^$].*|\$[0-9a-zA-Z_]+)$")]
Values = Annotated[tuple[Value, ...], Field(strict=False, min_length=1)]


class ProxyCache(Conf):
    """Keeps answers to GET and HEAD with the statuses 200, 301 and 404, if nothing else is said."""

    cache_strategy: Literal["disk", "memory"] = Field(
        default="disk",
        description="`disk` follows the upstream's `Cache-Control` and `Expires`, and keeps for 10 seconds what has "
        "neither; `memory` follows `cache_ttl`.",
    )
    cache_zone: str = Field(
        default="disk_cache_one",
        min_length=1,
        max_length=100,
        description="`disk_cache_one` for the strategy disk, `memory_cache` for memory; other zones are refused.",
    )
    cache_key: Values = Field(
        default=("$host", "$request_uri"),
        description="What answers are found by: constants, and `$variables` that requests can be counted by; others "
        "are refused.",
    )
    cache_bypass: Values | None = Field(
        default=None, description="Where one of these values is neither empty nor 0, the upstream is asked."
    )
    cache_method: Annotated[tuple[Literal["GET", "POST", "HEAD"], ...], Field(strict=False, min_length=1)] = Field(
        default=("GET", "HEAD"), description="Methods whose answers are kept."
    )
    cache_http_status: Annotated[
        tuple[Annotated[int, Field(ge=200, le=599)], ...], Field(strict=False, min_length=1, max_length=64)
    ] = Field(default=(200, 301, 404), description="Statuses of answers that are kept; 206 and 304 never are.")
    hide_cache_headers: bool = Field(default=False, description="Keep `Expires` and `Cache-Control` from the client.")
    cache_control: bool = Field(
        default=False,
        description="In memory, do as `Cache-Control` of request and answer says, and keep only what names its time.",
    )
    no_cache: Values | None = Field(
        default=None, description="Where one of these values is neither empty nor 0, the answer is not kept."
    )
    cache_ttl: int = Field(default=300, ge=1, le=2**31, description="Seconds that an answer is kept in memory.")
    consumer_isolation: bool = Field(default=True, description="Keep the answers to each consumer for that consumer.")
    cache_set_cookie: bool = Field(default=False, description="Keep answers that set cookies, too.")

    @model_validator(mode="after")
    def zone_suits_strategy(self) -> Self:
        strategy = ZONES.get(self.cache_zone)
        if strategy is None:
            raise ValueError(f"cache_zone {self.cache_zone} not found; there are {', '.join(ZONES)}")
        if strategy != self.cache_strategy:
            raise ValueError(f"invalid or empty cache_zone for cache_strategy: {self.cache_strategy}")
        return self


def translate(conf: ProxyCache, scope: Scope) -> Iterator[Effect]:
    in_memory = conf.cache_strategy == "memory"
    yield native(
        "proxy-cache",
        proxy_cache_config(
            zone=conf.cache_strategy,
            key=_values("cache_key", conf.cache_key, scope),
            bypass=_values("cache_bypass", conf.cache_bypass or (), scope),
            never=_values("no_cache", conf.no_cache or (), scope),
            methods=conf.cache_method,
            statuses=conf.cache_http_status,
            ttl=conf.cache_ttl if in_memory else DISK_TTL,
            hide_headers=conf.hide_cache_headers,
            obey_cache_control=conf.cache_control,
            isolate_consumers=conf.consumer_isolation,
            keep_cookies=conf.cache_set_cookie,
        ),
    )


def _values(field: str, values: Iterable[str], scope: Scope) -> Iterator[str]:
    known = {"route_id": scope.route_id, "service_id": scope.service_id}
    for value in values:
        name = value.removeprefix("$")
        if name == value:
            yield "=" + value
        elif name in known:
            yield "=" + known[name]
        elif is_countable(name):
            yield value
        else:
            raise Invalid(f"[{field}] uses the variable [{value}], which answers cannot be found by")


PLUGIN = Plugin(
    name="proxy-cache",
    priority=1085,
    phase=Phase.ACCESS,
    conf=ProxyCache,
    translate=translate,
    summary="Answers again what an upstream has answered before.",
    category="traffic",
    examples={
        "Successful reads for five minutes": {
            "cache_strategy": "memory",
            "cache_zone": "memory_cache",
            "cache_key": ["$host", "$request_uri"],
            "cache_http_status": [200],
            "cache_ttl": 300,
        }
    },
)
