"""Configurations of the module's HTTP filters as bytes; an unknown field makes Envoy reject the resource."""

import json
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

LIMIT_VARIABLES = frozenset(
    {"uri", "request_uri", "query_string", "args", "host", "request_method", "scheme", "consumer_name"}
    | {"remote_addr", "remote_port", "server_addr", "server_port"}
)
LIMIT_VARIABLE_PREFIXES = ("http_", "arg_", "cookie_")
_REFERENCE = re.compile(r"(?<!\\)\$(?:\{\s*([^}]+?)\s*\}|([\w.]+))")
_SIZE = struct.Struct("<I")

Field = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Redis:
    """Where counters are that several nodes share: one server, or some servers (`host:port`) of a cluster."""

    nodes: tuple[str, ...]
    cluster: bool
    timeout: int
    """Milliseconds that a request waits for its answer."""
    idle: int
    """Milliseconds after which a connection that nobody uses is closed."""
    tls: bool = False
    verify: bool = False
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def fields(self) -> Iterator[Field]:
        """As the filters read it."""
        for node in self.nodes:
            yield "redis_node", node.encode()
        yield "redis_cluster", _flag(self.cluster)
        yield "redis_timeout", _number(self.timeout)
        yield "redis_idle", _number(self.idle)
        yield "redis_tls", _flag(self.tls)
        yield "redis_verify", _flag(self.verify)
        yield "redis_database", _number(self.database)
        if self.username:
            yield "redis_username", self.username.encode()
        if self.password:
            yield "redis_password", self.password.encode()


def encode_config(fields: Iterable[Field]) -> bytes:
    """Fields in order, each `u32 size, key, u32 size, value`, little endian; a repeated key makes a list."""
    parts: list[bytes] = []
    for key, value in fields:
        name = key.encode()
        parts += (_SIZE.pack(len(name)), name, _SIZE.pack(len(value)), value)
    return b"".join(parts)


def decode_config(config: bytes) -> list[Field]:
    """The reverse of `encode_config`; raises struct.error or UnicodeDecodeError for anything else."""
    parts: list[bytes] = []
    at = 0
    while at < len(config):
        (size,) = _SIZE.unpack_from(config, at)
        at += _SIZE.size
        parts.append(config[at : at + size])
        at += size
    return [(key.decode(), value) for key, value in zip(parts[::2], parts[1::2], strict=True)]


def answer(body: object) -> bytes:
    """A body as APISIX prints it: JSON and a line break for objects, strings as they are, nothing for None."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def key_auth_config(
    *,
    header: str = "apikey",
    query: str = "apikey",
    hide_credentials: bool = False,
    anonymous_consumer: str | None = None,
    realm: str = "key",
    error_response: object = None,
    soft: bool = False,
) -> bytes:
    """Filter `key-auth`; `error_response` replaces the body of refusals, `soft` leaves refusing to a later filter."""
    own = (("header", header.encode()), ("query", query.encode()))
    shared = _auth_fields(realm, anonymous_consumer, error_response, hide=hide_credentials, soft=soft)
    return encode_config((*own, *shared))


def basic_auth_config(
    *,
    hide_credentials: bool = False,
    anonymous_consumer: str | None = None,
    realm: str = "basic",
    error_response: object = None,
    soft: bool = False,
) -> bytes:
    """Filter `basic-auth`; `error_response` replaces the body of refusals, `soft` leaves refusing to a later filter."""
    return encode_config(_auth_fields(realm, anonymous_consumer, error_response, hide=hide_credentials, soft=soft))


def _auth_fields(
    realm: str, anonymous: str | None, error_response: object, *, hide: bool, soft: bool
) -> Iterator[Field]:
    if len(realm.encode()) > 400:
        raise ValueError("a realm cannot be longer than 400 bytes")
    yield "realm", realm.encode()
    yield "hide_credentials", _flag(hide)
    if anonymous:
        yield "anonymous_consumer", anonymous.encode()
    if error_response is not None:
        yield "error_response", answer(error_response)
    if soft:
        yield "soft", _flag(soft)


def ip_restriction_config(
    *,
    whitelist: Iterable[str] = (),
    blacklist: Iterable[str] = (),
    message: str = "Your IP address is not allowed",
    response_code: int = 403,
    error_response: object = None,
) -> bytes:
    """Filter `ip-restriction`; addresses and networks of both families. Raises ValueError on one that is neither."""
    body = {"message": message} if error_response is None else error_response
    lists = (("whitelist", whitelist), ("blacklist", blacklist))
    networks = [(name, str(ip_network(item, strict=False)).encode()) for name, items in lists for item in items]
    return encode_config((*networks, ("body", answer(body)), ("response_code", _number(response_code))))


def limit_count_config(  # noqa: PLR0913 - one argument per field of the plugin
    *,
    owner: str,
    count: int,
    time_window: int,
    key: str = "remote_addr",
    key_type: str = "var",
    rejected_code: int = 503,
    rejected_msg: str | None = None,
    show_limit_quota_header: bool = True,
    allow_degradation: bool = False,
    header_names: tuple[str, str, str] = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    error_response: object = None,
    only_where: tuple[str, str] | None = None,
    redis: Redis | None = None,
) -> bytes:
    """Filter `limit-count`: `count` requests per `time_window` seconds; `owner` (as `route:r1`) parts the counters.

    A counter lives on through configuration changes while owner, count and window stay the same. `only_where`: a
    request header of ours and its value; other requests are left alone. `redis`: counters are there, and `owner` alone
    parts them.
    """
    body = error_response
    if body is None and rejected_msg is not None:
        body = {"error_msg": rejected_msg}
    names = zip(("limit_header", "remaining_header", "reset_header"), header_names, strict=True)
    return encode_config(
        (
            ("owner", owner.encode()),
            ("count", _number(count)),
            ("time_window", _number(time_window)),
            *limit_key(key, key_type),
            ("rejected_code", _number(rejected_code)),
            ("rejected_body", answer(body)),
            ("show_limit_quota_header", _flag(show_limit_quota_header)),
            ("allow_degradation", _flag(allow_degradation)),
            *((field, name.encode()) for field, name in names),
            *_mark(only_where),
            *(redis.fields() if redis else ()),
        )
    )


def limit_req_config(  # noqa: PLR0913 - one argument per field of the plugin
    *,
    owner: str,
    rate: float,
    burst: float,
    key: str,
    key_type: str,
    rejected_code: int,
    rejected_body: object,
    nodelay: bool,
    allow_degradation: bool,
    only_where: tuple[str, str] | None = None,
    redis: Redis | None = None,
) -> bytes:
    """Filter `limit-req`: `rate` requests per second, of which `burst` may wait."""
    interval = max(round(1e9 / rate), 1)
    shared = _throttle_fields(owner, key, key_type, rejected_code, rejected_body, degrade=allow_degradation)
    own = (
        ("interval", _number(interval)),
        ("most", _number(min(round(burst * interval), 10**17))),
        ("nodelay", _flag(nodelay)),
    )
    return encode_config((*shared, *own, *_mark(only_where), *(redis.fields() if redis else ())))


def limit_conn_config(  # noqa: PLR0913 - one argument per field of the plugin
    *,
    owner: str,
    conn: int,
    burst: int,
    delay: float,
    only_use_default_delay: bool,
    key: str,
    key_type: str,
    rejected_code: int,
    rejected_body: object,
    allow_degradation: bool,
    lease: int,
    only_where: tuple[str, str] | None = None,
    redis: Redis | None = None,
) -> bytes:
    """Filter `limit-conn`: `conn` requests at once, and `burst` more that wait, at first `delay` seconds.

    `redis`: places are taken there; one that was not given back is free again after `lease` seconds.
    """
    shared = _throttle_fields(owner, key, key_type, rejected_code, rejected_body, degrade=allow_degradation)
    own = (
        ("free", _number(conn)),
        ("most", _number(conn + burst)),
        ("unit", _number(round(delay * 1e6))),
        ("fixed", _flag(only_use_default_delay)),
    )
    where = (("lease", _number(lease)), *redis.fields()) if redis else ()
    return encode_config((*shared, *own, *_mark(only_where), *where))


def _mark(only_where: tuple[str, str] | None) -> tuple[Field, ...]:
    return (("only_where", "=".join(only_where).encode()),) if only_where else ()


def _throttle_fields(
    owner: str, key: str, key_type: str, rejected_code: int, rejected_body: object, *, degrade: bool
) -> Iterator[Field]:
    yield "owner", owner.encode()
    yield from limit_key(key, key_type)
    yield "rejected_code", _number(rejected_code)
    yield "rejected_body", answer(rejected_body)
    yield "allow_degradation", _flag(degrade)


def real_ip_config(*, source: str, trusted: Iterable[str] | None, recursive: bool) -> bytes:
    """Filter `real-ip`; `source` is a variable, `trusted` whom it is believed, None for everybody."""
    networks = (("trusted", str(ip_network(item, strict=False)).encode()) for item in trusted or ())
    return encode_config((("source", _variable(source).encode()), *networks, ("recursive", _flag(recursive))))


def api_breaker_config(
    *,
    status: int,
    body: object,
    headers: Iterable[tuple[str, str]],
    longest: int,
    unhealthy: tuple[Iterable[int], int],
    healthy: tuple[Iterable[int], int],
) -> bytes:
    """Filter `api-breaker`; `unhealthy` and `healthy` are statuses, and how many of them in a row it takes.

    `headers` are names and templates as `limit_key` reads them.
    """
    fields: list[Field] = [("status", _number(status)), ("body", answer(body)), ("longest", _number(longest))]
    for name, (statuses, times) in (("unhealthy", unhealthy), ("healthy", healthy)):
        fields += [(name, _number(one)) for one in statuses]
        fields.append(("failures" if name == "unhealthy" else "successes", _number(times)))
    for name, template in headers:
        fields.append(("header", name.lower().encode()))
        fields += [("value", segment.encode()) for segment in _segments(template) if segment]
    return encode_config(fields)


def limit_key(key: str, key_type: str) -> tuple[Field, ...]:
    """APISIX's key as fields: `=literal`, `$variable`, `?default of the variable before`.

    As in APISIX a combination without any variable, or a variable unknown here, counts by the client's address.
    """
    if key_type == "constant":
        return (("key", b"=" + key.encode()),)
    segments = list(_segments(key)) if key_type == "var_combination" else [_variable(key)]
    if not any(segment.startswith("$") for segment in segments):
        return (("key", b"$remote_addr"),)
    return tuple(("key", segment.encode()) for segment in segments if segment)


def _segments(template: str) -> Iterator[str]:
    at = 0
    for found in _REFERENCE.finditer(template):
        if found.start() > at:
            yield "=" + template[at : found.start()]
        name, *default = re.split(r"\s*\?\?\s*", found[1] or found[2], maxsplit=1)
        variable = _variable(name)
        if variable:
            yield variable
            yield from (f"?{text}" for text in default)
        else:
            yield from (f"={text}" for text in default)
        at = found.end()
    if at < len(template):
        yield "=" + template[at:]


def _variable(name: str) -> str:
    known = name in LIMIT_VARIABLES or any(
        name.startswith(prefix) and len(name) > len(prefix) for prefix in LIMIT_VARIABLE_PREFIXES
    )
    return f"${name}" if known else ""


def _flag(value: bool) -> bytes:  # noqa: FBT001 - a value, not a switch
    return b"1" if value else b"0"


def _number(value: int) -> bytes:
    if value < 0:
        raise ValueError(f"must not be negative: {value}")
    return str(value).encode()
