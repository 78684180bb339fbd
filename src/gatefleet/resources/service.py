"""A published service: hosts, a path prefix and a default upstream that its routes share."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gatefleet.resources.shape import HOST_PATTERN, STORED, Labels, Name, PluginConfs, ServiceType, Shape, Text
from gatefleet.resources.upstream import StreamUpstream, Upstream

Hosts = Annotated[list[Annotated[str, Field(pattern=HOST_PATTERN, max_length=253)]], Field(max_length=32)]
PathPrefix = Annotated[str, Field(pattern=r"^/", min_length=1, max_length=4096)]
Switch = Annotated[int, Field(ge=0, le=1)]


class Service(Shape):
    """A service of type http. `status` 0 takes it out of traffic."""

    service_type: ClassVar[ServiceType | None] = "http"

    name: Name
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    type: ServiceType = Field("http", json_schema_extra=STORED)
    status: Switch = Field(1, json_schema_extra=STORED)
    hosts: Hosts = Field(default_factory=list[str])
    path_prefix: PathPrefix | None = None
    strip_path_prefix: bool = True
    plugins: PluginConfs = Field(default_factory=dict)
    upstream: Upstream | None = None


class StreamService(Shape):
    """A service of type stream: it has stream routes, and its connections are passed on as they are."""

    service_type: ClassVar[ServiceType | None] = "stream"

    name: Name
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    type: Literal["stream"] = Field("stream", json_schema_extra=STORED)
    status: Switch = Field(1, json_schema_extra=STORED)
    plugins: PluginConfs = Field(default_factory=dict)
    upstream: StreamUpstream | None = None
