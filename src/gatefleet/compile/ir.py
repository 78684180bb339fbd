"""What traffic does, in our words: the form between the group's documents and Envoy's resources.

It says nothing of Envoy and never changes for a plugin: a plugin stays a name and a configuration here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gatefleet.discovery import Lookup

Json = Mapping[str, Any]
HashOn = Literal["header", "cookie", "argument", "client", "text"]


@dataclass(frozen=True, slots=True)
class PluginUse:
    """One plugin at work: merged configuration, and who brought it in (`route:r1`, `service:s1`, `global` ...)."""

    name: str
    owner: str
    conf: Json
    order: tuple[int, int, str]
    """The place in the chain: two numbers of the plugin's, then its name."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of one service with everything inherited filled in."""

    id: str
    name: str
    service_id: str
    service_name: str
    hosts: tuple[str, ...]
    """Exact names, `*.suffix` or `*` for any host; lower case. None for a route that is switched off."""
    paths: tuple[str, ...]
    """Whole paths, service prefix included: exact, `…*` prefixes, `:name` segments."""
    strip: str
    """Service path prefix to take off before the upstream sees the path; empty for none."""
    methods: tuple[str, ...]
    vars: tuple[Any, ...]
    remote_addrs: tuple[str, ...]
    """Networks (`address/bits`) one of which the client's address must be in; none for any client."""
    priority: int
    websocket: bool
    read_timeout: float
    """Seconds the upstream may be silent."""
    upstream: str
    """Name of the upstream its requests go to: the service's default one, or its own."""
    host_to_upstream: str
    """Host header for the upstream; empty passes the client's, `*node` sends the node's own name."""
    hash_texts: tuple[str, ...]
    """Templates with variables whose values upstreams that it sends requests to hash on."""
    plugins: tuple[PluginUse, ...]
    own_upstream: "Upstream | None" = None
    """The upstream only this route has."""
    documents: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """The bodies it is made of, `route` and `service`, with their ids."""


@dataclass(frozen=True, slots=True)
class Node:
    host: str
    port: int
    weight: int
    priority: int


@dataclass(frozen=True, slots=True)
class Upstream:
    """One distinct upstream: a service's own or one of its extra ones."""

    name: str
    scheme: Literal["http", "https", "grpc", "grpcs", "tcp", "udp", "tls"]
    balancer: Literal["roundrobin", "chash", "least_conn", "ewma"]
    nodes: tuple[Node, ...]
    connect_timeout: float
    idle_timeout: float
    requests_per_connection: int
    retries: int
    """Further nodes that are tried when one cannot be reached."""
    hash_on: tuple[HashOn, str] | None
    """What consistent hashing looks at, and its name; the client's address where that is absent."""
    server_name: str
    """TLS server name to send; empty for the request's host."""
    client_certificate: tuple[str, str] | None
    verify: bool
    authorities: str
    """Certificates (PEM) that the upstream's must come from; empty for those the node's system trusts."""
    checks: Json
    lookup: Lookup | None = None
    """Where its nodes are looked up, if they are not listed."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer, its credentials as (credential id, plugin, configuration), and plugins of its own.

    Disabled plugins stand among its own: they switch off what it would inherit from a route.
    """

    username: str
    labels: Mapping[str, str]
    credentials: tuple[tuple[str, str, Json], ...]
    plugins: tuple[PluginUse, ...]
