"""Which plugins are measured, each as people use it, and against whom: what they ask, copy to or speak gRPC with."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import works
from bench.load import Asked
from bench.shape import HEADERS, HEADERS_SET, HOST, KEY, KEY_AUTH, LIMIT, Json, path
from bench.works import Work
from gatefleet.plugin import Scope, Script
from gatefleet.plugins import registry
from tests import directory

NEW: Final = 1_500
"""Tokens that are new whenever they come round again: a worker keeps a thousand."""
SECRET: Final = "bench-secret"  # noqa: S105 - of nobody
DATE: Final = "Tue, 19 Jan 2024 11:33:20 GMT"
TARGETS_US: Final = {"native": 8.0, "Lua": 25.0}
USER, PASSWORD = next(iter(directory.USERS.items()))
CONSUMER: Final[Json] = {
    "username": "bench",
    "labels": {"team": "a"},
    "plugins": {
        "key-auth": {"key": KEY},
        "basic-auth": {"username": "bench", "password": SECRET},
        "jwt-auth": {"key": KEY, "secret": SECRET},
        "hmac-auth": {"key_id": KEY, "secret_key": SECRET},
        "ldap-auth": {"user_dn": f"cn={USER},{directory.BASE}"},
    },
}
PROTO: Final[Json] = {"content": works.PROTO}


@dataclass(frozen=True, slots=True)
class Ports:
    """Who stands behind the gateway, on 127.0.0.1."""

    upstream: int
    grpc: int
    directory: int


@dataclass(frozen=True, slots=True)
class Case:
    """A plugin as people use it; `beside` stands on the route without it too, what is sent is sent to both."""

    plugin: str
    conf: Json
    beside: Json = field(default_factory=dict[str, Json])
    headers: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, str | tuple[str, ...]])
    """Of several values each request has another."""
    asked: Asked = works.PLAIN
    path: str = path(0)
    """Of the route; what is asked for is `path(0)`."""
    grpc: bool = False
    """Whether the upstream is the one that speaks gRPC."""
    more: str = ""
    """What tells it from another case of the plugin."""
    work: Work | None = None
    """What it does that Envoy has a filter for, or has done: a bare Envoy does it beside it."""
    helper: bool = False
    """Whether another process of the node does it, which answers far fewer requests than Envoy could ask."""

    @property
    def name(self) -> str:
        return f"{self.plugin}, {self.more}" if self.more else self.plugin

    @property
    def sent(self) -> Asked:
        """What is asked, with all headers."""
        headers = {**HEADERS, **self.asked.headers, **self.headers}
        return Asked(self.asked.path, headers, self.asked.method, self.asked.body)

    @property
    def by(self) -> str:
        """Who does it."""
        if self.helper:
            return "helper process"
        return "Lua" if self._has_script() else "native"

    @property
    def target_us(self) -> float | None:
        """For what the plugin itself adds; None where there is none."""
        return TARGETS_US.get(self.by)

    def _has_script(self) -> bool:
        plugin = registry()[self.plugin]
        scope = Scope("route:r", paths=(self.path,), protos={"bench": PROTO["content"]})
        return any(isinstance(effect, Script) for effect in plugin.translate(plugin.read(self.conf), scope))


def cases(ports: Ports) -> tuple[Case, ...]:
    """All of them."""
    return (*_ALONE, *_with(ports))


def _basic(user: str, password: str) -> Mapping[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _bearer(number: int = 0) -> str:
    claims = {"key": KEY, "exp": 4102444800 + number, "sub": "somebody"}
    parts = [_base64url(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
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
_ALONE: Final = (
    Case("key-auth", {}),
    Case("basic-auth", {}, headers=_basic("bench", SECRET)),
    Case("jwt-auth", {}, headers={"Authorization": _bearer()}, more="a token seen before"),
    Case("jwt-auth", {}, headers={"Authorization": tuple(map(_bearer, range(NEW)))}, more="a new token each time"),
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
    Case("mocking", {"response_example": "x" * 1024}, more="1 KiB"),
    Case("proxy-cache", {"cache_strategy": "memory", "cache_zone": "memory_cache"}, more="a hit"),
    Case("gzip", _ANYTHING, more="not asked for"),
    Case("gzip", _ANYTHING, headers={"Accept-Encoding": "gzip"}, more="1 KiB", work=works.GZIP),
    Case("brotli", _ANYTHING, more="not asked for"),
    Case("brotli", _ANYTHING, headers={"Accept-Encoding": "br"}, more="1 KiB", work=works.BROTLI),
    Case("degraphql", {"query": "query { products { name } }"}),
    Case("body-transformer", _AS_IT_IS, more="1 KiB"),
    Case(
        "grpc-transcode",
        {"proto_id": "bench", "service": "bench.Echo", "method": "Say"},
        asked=works.IN_JSON,
        grpc=True,
        work=works.TRANSCODING,
    ),
    Case("grpc-web", {}, asked=works.IN_GRPC_WEB, path="/api/*", grpc=True, work=works.GRPC_WEB),
)


def _with(ports: Ports) -> tuple[Case, ...]:
    """Those that ask or call somebody else."""
    upstream = f"http://127.0.0.1:{ports.upstream}"
    keycloak = {"token_endpoint": f"{upstream}/token", "client_id": "bench", "permissions": ["orders#view"]}
    users = {"ldap_uri": f"127.0.0.1:{ports.directory}", "base_dn": directory.BASE}
    return (
        Case("http-logger", {"uri": f"{upstream}/log"}),
        Case("proxy-mirror", {"host": upstream}, work=works.COPY),
        Case("proxy-mirror", {"host": upstream, "path": "/copy"}, more="another path", work=works.COPY),
        Case("forward-auth", {"uri": f"{upstream}/check"}, work=works.QUESTION),
        Case("opa", {"host": upstream, "policy": "bench/allow"}, work=works.REPORT),
        Case("authz-keycloak", keycloak, headers={"Authorization": f"Bearer {_bearer()}"}, work=works.QUESTION),
        Case("ldap-auth", users, headers=_basic(USER, PASSWORD), helper=True),
    )
