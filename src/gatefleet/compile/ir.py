"""What traffic does, in our words: the form between the group's documents and Envoy's resources.

It says nothing of Envoy and never changes for a plugin: a plugin stays a name and a configuration here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Json = Mapping[str, Any]


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
    """Name of the default upstream."""
    host_to_upstream: str
    """Host header for the upstream; empty passes the client's, `*node` sends the node's own name."""
    retries: int
    hash_on: tuple[str, str] | None
    """("header"|"cookie"|"vars", key) for consistent hashing."""
    plugins: tuple[PluginUse, ...]


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
    server_name: str
    """TLS server name to send; empty for the request's host."""
    client_certificate: tuple[str, str] | None
    verify: bool
    checks: Json


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer, its credentials as (credential id, plugin, configuration), and plugins of its own."""

    username: str
    labels: Mapping[str, str]
    credentials: tuple[tuple[str, str, Json], ...]
    plugins: tuple[PluginUse, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate chain and key, served for each of `names` (exact or `*.suffix`)."""

    id: str
    names: tuple[str, ...]
    chain: str
    key: str
