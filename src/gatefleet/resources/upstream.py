"""An upstream: where requests go, how a node is picked, and how its health is known."""

from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from gatefleet.resources.shape import (
    HIDDEN,
    HOST_PATTERN,
    NODE_HOST_PATTERN,
    OPAQUE,
    Labels,
    Name,
    ServiceType,
    Shape,
    Text,
)

Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Status = Annotated[int, Field(ge=200, le=599)]
Count = Annotated[int, Field(ge=1, le=254)]
Failures = Annotated[int, Field(ge=0, le=254)]


class Node(Shape):
    host: Annotated[str, Field(pattern=NODE_HOST_PATTERN, min_length=1)]
    port: Port
    weight: Annotated[int, Field(ge=0, le=65535)]
    priority: int = 0


class Timeout(Shape):
    """Seconds; fractions are allowed."""

    connect: Seconds = 60
    send: Seconds = 60
    read: Seconds = 60


class KeepalivePool(Shape):
    size: Annotated[int, Field(ge=1)] = 320
    idle_timeout: Annotated[float, Field(ge=0)] = 60
    requests: Annotated[int, Field(ge=1)] = 1000


class Tls(Shape):
    """What the gateway shows to the upstream, and whether it checks what the upstream shows."""

    client_cert: str | None = None
    client_key: SecretStr | None = None
    client_cert_id: str | None = None
    verify: bool = False


class ActiveHealthy(Shape):
    interval: Annotated[int, Field(ge=1)] = 1
    http_statuses: list[Status] = Field(default_factory=lambda: [200, 302])
    successes: Count = 2


class ActiveUnhealthy(Shape):
    interval: Annotated[int, Field(ge=1)] = 1
    http_statuses: list[Status] = Field(default_factory=lambda: [429, 404, 500, 501, 502, 503, 504, 505])
    http_failures: Count = 5
    tcp_failures: Count = 2
    timeouts: Count = 3


class Active(Shape):
    """Probes the gateway sends by itself."""

    type: Literal["http", "https", "tcp"] = "http"
    timeout: Seconds = 1
    concurrency: Annotated[int, Field(ge=1)] = 10
    host: Annotated[str, Field(pattern=HOST_PATTERN)] | None = None
    port: Port | None = None
    http_path: str = "/"
    https_verify_certificate: bool = True
    req_headers: list[str] = Field(default_factory=list)
    healthy: ActiveHealthy = Field(default_factory=ActiveHealthy)
    unhealthy: ActiveUnhealthy = Field(default_factory=ActiveUnhealthy)


class PassiveHealthy(Shape):
    http_statuses: list[Status] = Field(default_factory=lambda: [*range(200, 209), 226, *range(300, 309)])
    successes: Failures = 5


class PassiveUnhealthy(Shape):
    http_statuses: list[Status] = Field(default_factory=lambda: [429, 500, 503])
    tcp_failures: Failures = 2
    timeouts: Failures = 7
    http_failures: Failures = 5


class Passive(Shape):
    """Health judged by the answers real requests get."""

    type: Literal["http", "https", "tcp"] = "http"
    healthy: PassiveHealthy = Field(default_factory=PassiveHealthy)
    unhealthy: PassiveUnhealthy = Field(default_factory=PassiveUnhealthy)


class Checks(Shape):
    active: Active
    passive: Passive | None = None


class DiscoveryArgs(Shape):
    metadata: Labels = Field(default_factory=dict)


def node_list(value: object) -> object:
    """APISIX's map form `{"host:port": weight}` as the list form; anything else as it is."""
    if not isinstance(value, dict):
        return value
    nodes: list[dict[str, Any]] = []
    for address, weight in cast("dict[str, Any]", value).items():
        host, colon, port = address.rpartition(":")
        known = (host, int(port)) if colon and port.isascii() and port.isdigit() else (address, 80)
        nodes.append({"host": known[0], "port": known[1], "weight": weight})
    return nodes


class StreamUpstream(Shape):
    """The upstream of a service of type stream: inline as its default, or one of its extra ones."""

    service_type: ClassVar[ServiceType | None] = "stream"

    name: Name = "default"
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    scheme: Literal["tcp", "udp", "tls"] = "tcp"
    type: Literal["roundrobin", "chash", "least_conn", "ewma"] = "roundrobin"
    hash_on: Literal["vars", "header", "cookie", "consumer", "vars_combinations"] = "vars"
    key: Annotated[str, Field(min_length=1)] | None = None
    nodes: Annotated[list[Node], BeforeValidator(node_list), Field(max_length=1024)] = Field(default_factory=list[Node])
    service_name: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    discovery_type: Annotated[str, Field(min_length=1)] | None = None
    retries: Annotated[int, Field(ge=0, le=65535)] | None = None
    retry_timeout: Annotated[float, Field(ge=0)] = 0
    timeout: Timeout | None = None
    tls: Tls | None = Field(None, json_schema_extra=OPAQUE)
    client_certificate: str | None = None
    ca_certificates: list[str] = Field(default_factory=list)
    tls_verify: bool = Field(default=False, json_schema_extra=HIDDEN)
    checks: Checks | None = Field(None, json_schema_extra=OPAQUE)


class Upstream(Shape):
    """The upstream of a service of type http: inline as its default, or one of its extra ones."""

    service_type: ClassVar[ServiceType | None] = "http"

    name: Name = "default"
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    scheme: Literal["http", "https", "grpc", "grpcs"] = "http"
    type: Literal["roundrobin", "chash", "least_conn", "ewma"] = "roundrobin"
    hash_on: Literal["vars", "header", "cookie", "consumer", "vars_combinations"] = "vars"
    key: Annotated[str, Field(min_length=1)] | None = None
    nodes: Annotated[list[Node], BeforeValidator(node_list), Field(max_length=1024)] = Field(default_factory=list[Node])
    service_name: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    discovery_type: Annotated[str, Field(min_length=1)] | None = None
    discovery_args: DiscoveryArgs | None = None
    retries: Annotated[int, Field(ge=0, le=65535)] | None = None
    retry_timeout: Annotated[float, Field(ge=0)] = 0
    timeout: Timeout | None = None
    pass_host: Literal["pass", "node", "rewrite"] = "pass"  # noqa: S105 - not a password
    upstream_host: Annotated[str, Field(pattern=HOST_PATTERN)] | None = None
    keepalive_pool: KeepalivePool | None = None
    tls: Tls | None = Field(None, json_schema_extra=OPAQUE)
    client_certificate: str | None = None
    ca_certificates: list[str] = Field(default_factory=list)
    tls_verify: bool = Field(default=False, json_schema_extra=HIDDEN)
    checks: Checks | None = Field(None, json_schema_extra=OPAQUE)

    @model_validator(mode="after")
    def rewrite_needs_a_host(self) -> Self:
        if self.pass_host == "rewrite" and not self.upstream_host:  # noqa: S105 - not a password
            raise ValueError('property "upstream_host" is missing, and pass_host is "rewrite"')
        return self
