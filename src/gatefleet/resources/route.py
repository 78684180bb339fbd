"""Routes: which requests of a service are meant, and what is done with them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gatefleet.resources.shape import OPAQUE, Id, Labels, Name, PluginConfs, ServiceType, Shape, Text
from gatefleet.resources.upstream import Timeout, Upstream

Method = Literal["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"]
Path = Annotated[str, Field(pattern=r"^/", min_length=1, max_length=4096)]


class Route(Shape):
    """A route of a service of type http. `priority`: the higher one is tried first."""

    service_type: ClassVar[ServiceType | None] = "http"

    name: Name
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    service_id: Id
    paths: Annotated[list[Path], Field(min_length=1, max_length=64)]
    methods: Annotated[list[Method], Field(max_length=10)] = Field(default_factory=list[Method])
    vars: list[Any] = Field(default_factory=list)
    priority: int = 0
    enable_websocket: bool | None = None
    timeout: Timeout | None = None
    upstream: Upstream | None = Field(None, json_schema_extra=OPAQUE)
    """Where its requests go instead of the service's upstream."""
    plugins: PluginConfs = Field(default_factory=dict)
