"""Stream routes: which TCP, UDP or TLS connections of a service of type stream are meant."""

from typing import Annotated, ClassVar

from pydantic import Field

from gatefleet.resources.shape import HOST_PATTERN, Id, Labels, Name, Network, PluginConfs, ServiceType, Shape, Text
from gatefleet.resources.upstream import Port


class StreamRoute(Shape):
    """A route of a service of type stream.

    A connection is meant if it comes in on `server_port`, at `server_addr`, from `remote_addr` (an address or a CIDR
    range), and asks for the server name `sni`; what is absent matches everything. TLS with a server name ends at the
    gateway, which shows the group's certificate, unless `tls_passthrough` says to pass the bytes on as they are.
    """

    service_type: ClassVar[ServiceType | None] = "stream"

    name: Name
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    service_id: Id
    server_addr: Network | None = None
    server_port: Port | None = None
    remote_addr: Network | None = None
    sni: Annotated[str, Field(pattern=HOST_PATTERN, max_length=253)] | None = None
    tls_passthrough: bool | None = None
    plugins: PluginConfs = Field(default_factory=dict)
