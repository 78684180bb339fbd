"""What each plugin adds to a request: the same route with and without it, in turn, under the same load."""

import base64
import hashlib
import hmac
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import load
from bench.fleet import Fleet
from bench.load import Turn
from bench.shape import HEADERS, HEADERS_SET, HOST, KEY, KEY_AUTH, LIMIT, Json, path
from gatefleet.plugin import Scope, Script
from gatefleet.plugins import registry

SECRET: Final = "bench-secret"  # noqa: S105 - of nobody
DATE: Final = "Tue, 19 Jan 2024 11:33:20 GMT"
NATIVE_TARGET_US: Final = 8.0
LUA_TARGET_US: Final = 25.0
BARE_US: Final = 45.0
"""CPU time of a request without plugins where the targets hold: machines differ, and one machine from hour to hour, but
what a plugin adds grows and shrinks with all the rest."""
CONSUMER: Final[Json] = {
    "username": "bench",
    "labels": {"team": "a"},
    "plugins": {
        "key-auth": {"key": KEY},
        "basic-auth": {"username": "bench", "password": SECRET},
        "jwt-auth": {"key": KEY, "secret": SECRET},
        "hmac-auth": {"key_id": KEY, "secret_key": SECRET},
    },
}


def _bearer() -> str:
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"key": KEY, "exp": 4102444800})]
    signature = hmac.digest(SECRET.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join((*parts, _base64url(signature)))


def _open_id() -> Json:
    """A provider's key, and a token it signed: nobody has to be asked."""
    key = Ed25519PrivateKey.generate()
    claims = {"iss": "https://idp.test", "sub": "bench", "exp": 4102444800}
    parts = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA"}, claims))
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {"pem": pem, "token": f"{parts}.{_base64url(key.sign(parts.encode()))}"}


def _base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _signature() -> str:
    said = f"{KEY}\nGET {path(0)}\ndate: {DATE}\n".encode()
    made = base64.b64encode(hmac.digest(SECRET.encode(), said, hashlib.sha256)).decode()
    return f'Signature keyId="{KEY}",algorithm="hmac-sha256",headers="@request-target date",signature="{made}"'


@dataclass(frozen=True, slots=True)
class Case:
    """A plugin as people use it; `beside` stands on the route without it too, `headers` are sent to both."""

    plugin: str
    conf: Json
    beside: Json = field(default_factory=dict[str, Json])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    more: str = ""
    """What tells it from another case of the plugin."""
    compresses: bool = False
    """Whether the body is compressed, which costs what the library of Envoy costs: held against no target."""

    @property
    def name(self) -> str:
        return f"{self.plugin}, {self.more}" if self.more else self.plugin

    @property
    def lua(self) -> bool:
        """Whether a script is part of it."""
        plugin = registry()[self.plugin]
        return any(isinstance(effect, Script) for effect in plugin.translate(plugin.read(self.conf), Scope("route:r")))

    @property
    def target_us(self) -> float | None:
        if self.compresses:
            return None
        return LUA_TARGET_US if self.lua else NATIVE_TARGET_US


_BASIC: Final = {"Authorization": "Basic " + base64.b64encode(f"bench:{SECRET}".encode()).decode()}
_OPEN_ID: Final = _open_id()
_PROVIDER: Final = {
    "client_id": "bench",
    "client_secret": SECRET,
    "discovery": "https://idp.test/",
    "bearer_only": True,
    "public_key": _OPEN_ID["pem"],
    "claim_validator": {"issuer": {"valid_issuers": ["https://idp.test"]}},
}
_ANYTHING: Final = {"types": "*", "min_length": 1}
_AS_IT_IS: Final = {"response": {"input_format": "plain", "template": "{{_body}}"}}
_TWO: Final = [{"weight": 1}, {"weight": 1}]
CASES: Final = (
    Case("key-auth", {}),
    Case("basic-auth", {}, headers=_BASIC),
    Case("jwt-auth", {}, headers={"Authorization": _bearer()}, more="a token seen before"),
    Case(
        "openid-connect",
        _PROVIDER,
        headers={"Authorization": f"Bearer {_OPEN_ID['token']}"},
        more="a token seen before",
    ),
    Case("hmac-auth", {"clock_skew": 4_000_000_000}, headers={"Date": DATE, "Authorization": _signature()}),
    Case("multi-auth", {"auth_plugins": [{"basic-auth": {}}, {"key-auth": {}}]}),
    Case("consumer-restriction", {"whitelist": ["bench"]}, beside=KEY_AUTH),
    Case("acl", {"allow_labels": {"team": ["a"]}}, beside=KEY_AUTH),
    Case("attach-consumer-label", {"headers": {"X-Team": "$team"}}, beside=KEY_AUTH),
    Case("limit-count", LIMIT["limit-count"]),
    Case("limit-req", {"rate": 1e6, "burst": 1e6, "nodelay": True, "key": "remote_addr"}),
    Case("limit-conn", {"conn": 10_000, "burst": 0, "default_conn_delay": 0.1, "key": "remote_addr"}),
    Case("api-breaker", {"break_response_code": 502}),
    Case("ip-restriction", {"whitelist": ["127.0.0.0/8"]}),
    Case("ua-restriction", {"denylist": ["curl/.*"]}, headers={"User-Agent": "wrk/4.1"}),
    Case("referer-restriction", {"whitelist": [f"*.{HOST}"]}, headers={"Referer": f"http://www.{HOST}/"}),
    Case("uri-blocker", {"block_rules": ["root\\.exe"]}),
    Case("cors", {}, headers={"Origin": f"http://{HOST}"}),
    Case("csrf", {"key": SECRET}),
    Case("request-validation", {"header_schema": {"type": "object", "required": ["apikey"]}}),
    Case("real-ip", {"source": "http_x_real_ip"}, headers={"X-Real-Ip": "192.0.2.1"}),
    Case("client-control", {"max_body_size": 1024}),
    Case("proxy-rewrite", HEADERS_SET["proxy-rewrite"], more="a header"),
    Case("proxy-rewrite", {"regex_uri": ["^/api/(.*)", "/$1"]}, more="a pattern"),
    Case("response-rewrite", {"headers": {"set": {"x-bench": "1"}}}, more="a header"),
    Case("response-rewrite", {"filters": [{"regex": "y{3}", "replace": "z"}]}, more="a filter, 1 KiB"),
    Case("redirect", {"regex_uri": ["^/old/(.*)", "/new/$1"]}, more="not asked for"),
    Case("request-id", {}),
    Case("traffic-split", {"rules": [{"weighted_upstreams": _TWO}]}),
    Case("traffic-label", {"rules": [{"actions": [{"set_headers": {"x-label": "a"}}]}]}),
    Case("workflow", {"rules": [{"case": [["uri", "==", "/none"]], "actions": [["return", {"code": 403}]]}]}),
    Case("prometheus", {}),
    Case("file-logger", {"path": "/dev/null"}),
    Case("fault-injection", {"abort": {"http_status": 503, "vars": [[["http_x_fault", "==", "1"]]]}}),
    Case("proxy-cache", {"cache_strategy": "memory", "cache_zone": "memory_cache"}, more="a hit"),
    Case("gzip", _ANYTHING, more="not asked for"),
    Case("gzip", _ANYTHING, headers={"Accept-Encoding": "gzip"}, more="1 KiB", compresses=True),
    Case("brotli", _ANYTHING, more="not asked for"),
    Case("brotli", _ANYTHING, headers={"Accept-Encoding": "br"}, more="1 KiB", compresses=True),
    Case("degraphql", {"query": "query { products { name } }"}),
    Case("body-transformer", _AS_IT_IS, more="1 KiB"),
)
"""Plugins that pass requests on. What answers itself or asks others costs what that work costs."""


class PluginCost(msgspec.Struct, frozen=True):
    """One case: medians over all turns with the plugin, each against the turns without it before and after."""

    name: str
    lua: bool
    cpu_ratio: float
    """CPU time per request with the plugin divided by the time without it."""
    spread: float
    """Between this much less and this much more the ratio lies, in 19 of 20 cases (of the median: by order)."""
    more_us: float
    """What the ratio makes of `BARE_US`."""
    bare_us: float
    """CPU time per request without the plugin, on this machine, now."""
    rate_ratio: float
    """Requests per second with it divided by those without it."""
    target_us: float | None


def fill(fleet: Fleet, upstream: int, cases: Sequence[Case]) -> None:
    """Two routes for each case, without and with its plugin, each on a host of its own."""
    fleet.put([("consumers/bench", CONSUMER)])
    fleet.put(document for case in enumerate(cases) for document in _services(*case, upstream))
    fleet.put(document for case in enumerate(cases) for document in _routes(*case))
    fleet.settle(upstream)


def measure(fleet: Fleet, cases: Sequence[Case], *, rounds: int, seconds: float) -> list[PluginCost]:
    """Costs of all cases; each round asks all of them for so many seconds, with and without in turn."""
    found: dict[str, list[Against]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for number, case in enumerate(cases):
            found[case.name] += against(_turns(fleet, number, case, seconds))
    return [cost(case, found[case.name]) for case in cases]


class Against(NamedTuple):
    """A turn with a plugin against the mean of the turns without it before and after."""

    cpu_ratio: float
    rate_ratio: float
    bare_us: float


def against(turns: Sequence[Turn]) -> Iterator[Against]:
    """Of turns that are without and with in turn, and begin without."""
    for at in range(1, len(turns) - 1, 2):
        before, own, after = turns[at - 1 : at + 2]
        bare_us = (before.cpu_us + after.cpu_us) / 2
        yield Against(own.cpu_us / bare_us, own.per_second * 2 / (before.per_second + after.per_second), bare_us)


def _turns(fleet: Fleet, number: int, case: Case, seconds: float) -> list[Turn]:
    headers = {**HEADERS, **case.headers}
    return load.in_turns(fleet.envoy, fleet.gateway, _hosts(number), path(0), seconds=seconds, headers=headers)


def cost(case: Case, found: Sequence[Against]) -> PluginCost:
    """Medians over what was found for one case."""
    ratios = sorted(one.cpu_ratio for one in found)
    ratio = statistics.median(ratios)
    return PluginCost(
        name=case.name,
        lua=case.lua,
        cpu_ratio=round(ratio, 3),
        spread=round(_spread(ratios), 3),
        more_us=round((ratio - 1) * BARE_US, 1),
        bare_us=round(statistics.median(one.bare_us for one in found), 1),
        rate_ratio=round(statistics.median(one.rate_ratio for one in found), 3),
        target_us=case.target_us,
    )


def _spread(found: Sequence[float]) -> float:
    """Half of the 95 % confidence interval of the median of sorted values, by their order."""
    middle, away = len(found) / 2, 0.98 * math.sqrt(len(found))
    return (found[min(len(found) - 1, round(middle + away))] - found[max(0, round(middle - away) - 1)]) / 2


def _hosts(number: int) -> tuple[str, str]:
    return f"without-{number}.{HOST}", f"with-{number}.{HOST}"


def _services(number: int, _case: Case, upstream: int) -> Iterator[tuple[str, Json]]:
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    for host in _hosts(number):
        name = host.partition(".")[0]
        yield f"services/{name}", {"name": name, "hosts": [host], "upstream": {"nodes": nodes}}


def _routes(number: int, case: Case) -> Iterator[tuple[str, Json]]:
    for host, own in zip(_hosts(number), ({}, {case.plugin: case.conf}), strict=True):
        name = host.partition(".")[0]
        yield (
            f"routes/{name}",
            {"name": name, "service_id": name, "paths": [path(0)], "plugins": {**case.beside, **own}},
        )
