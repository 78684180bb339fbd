"""What each plugin adds to a request: the same route with and without it, in turn, under the same load."""

import base64
import hashlib
import hmac
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import load
from bench.fleet import Fleet
from bench.load import Sample
from bench.shape import HEADERS, HEADERS_SET, HOST, KEY, KEY_AUTH, LIMIT, Json, path
from gatefleet.plugin import Scope, Script
from gatefleet.plugins import registry

SECRET: Final = "bench-secret"  # noqa: S105 - of nobody
DATE: Final = "Tue, 19 Jan 2024 11:33:20 GMT"
NATIVE_TARGET_US: Final = 8.0
LUA_TARGET_US: Final = 25.0
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
    Case("body-transformer", _AS_IT_IS, more="1 KiB"),
)
"""Plugins that pass requests on. What answers itself or asks others costs what that work costs."""


class PluginCost(msgspec.Struct, frozen=True):
    """One case: medians over the rounds."""

    name: str
    lua: bool
    cpu_ratio: float
    """CPU time per request with the plugin divided by the time without it."""
    more_us: float
    """CPU time it adds, in µs: what the ratio adds to the least of the rounds without it. Others on the machine slow
    both of a pair alike, and only ever add to a round."""
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
    """Costs of all cases; each round asks all of them, with and without in turn."""
    found: dict[str, list[tuple[Sample, Sample]]] = {case.name: [] for case in cases}
    for turn in range(rounds):
        for number, case in enumerate(cases):
            hosts = _hosts(number) if turn % 2 == 0 else _hosts(number)[::-1]
            samples = [_sample(fleet, host, case.headers, seconds) for host in hosts]
            without, own = samples if turn % 2 == 0 else samples[::-1]
            found[case.name].append((without, own))
    return [_cost(case, found[case.name]) for case in cases]


def _cost(case: Case, pairs: Sequence[tuple[Sample, Sample]]) -> PluginCost:
    ratio = statistics.median(own.cpu_us / without.cpu_us for without, own in pairs)
    undisturbed = min(without.cpu_us for without, _ in pairs)
    return PluginCost(
        name=case.name,
        lua=case.lua,
        cpu_ratio=round(ratio, 3),
        more_us=round((ratio - 1) * undisturbed, 1),
        rate_ratio=round(statistics.median(own.per_second / without.per_second for without, own in pairs), 3),
        target_us=case.target_us,
    )


def _sample(fleet: Fleet, host: str, headers: Mapping[str, str], seconds: float) -> Sample:
    sent = {"Host": host, **HEADERS, **headers}
    return load.run(fleet.envoy, fleet.gateway, routes=1, seconds=seconds, headers=sent)


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
