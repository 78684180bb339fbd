"""Service registries: where a gateway group's nodes look up the upstreams that are named and not listed."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from gatefleet.resources.shape import OPAQUE, Labels, Name, Shape, Text

Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+", max_length=1024)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=65536)]
Word = Annotated[str, Field(min_length=1, max_length=1024)]
Seconds = Annotated[int, Field(ge=1, le=3600)]
Port = Annotated[int, Field(ge=1, le=65535)]
KINDS_OF_REGISTRY = Literal["nacos", "kubernetes", "consul", "eureka", "dns"]


class HealthCheck(Shape):
    """How long a registry may be silent before it counts as lost, in seconds."""

    probe_interval: Seconds = 15
    probe_timeout: Seconds = 5


class NacosAuth(Shape):
    """Username and password, or a token."""

    username: Word | None = None
    password: Secret | None = None
    token: Secret | None = None


class NacosConfig(Shape):
    hosts: Annotated[list[Url], Field(min_length=1, max_length=16)]
    prefix: Annotated[str, Field(pattern=r"^/[\w./-]*$", max_length=256)] = "/nacos/v1"
    default_weight: Annotated[int, Field(ge=1, le=100)] = 100
    fetch_interval: Seconds = 10
    auth: NacosAuth | None = None


class KubernetesService(Shape):
    """The API server."""

    schema_: Literal["http", "https"] = Field("https", alias="schema")
    host: Word
    port: Port = 443


class KubernetesClient(Shape):
    """A service account's token, or the file on the node that holds it; the file is read again for each request."""

    token: Secret | None = None
    token_file: Word | None = None


class KubernetesConfig(Shape):
    service: KubernetesService
    client: KubernetesClient | None = None
    ca: Text | None = None
    tls_verify: bool = True
    fetch_interval: Seconds = 5


class ConsulConfig(Shape):
    hosts: Annotated[list[Url], Field(min_length=1, max_length=16)]
    token: Secret | None = None
    default_weight: Annotated[int, Field(ge=1, le=100)] = 100
    fetch_interval: Seconds = 3


class EurekaConfig(Shape):
    hosts: Annotated[list[Url], Field(min_length=1, max_length=16)]
    prefix: Annotated[str, Field(pattern=r"^/[\w./-]*$", max_length=256)] = "/eureka"
    username: Word | None = None
    password: Secret | None = None
    default_weight: Annotated[int, Field(ge=1, le=100)] = 100
    fetch_interval: Seconds = 10


class DnsConfig(Shape):
    """`servers`: host or host:port of name servers; none: those of the node's machine."""

    servers: Annotated[list[Word], Field(max_length=16)] = Field(default_factory=list)
    fetch_interval: Seconds = 5


class ServiceRegistry(Shape):
    """`<type>_config` says how it is reached."""

    name: Name
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    type: KINDS_OF_REGISTRY
    health_check: HealthCheck | None = Field(None, json_schema_extra=OPAQUE)
    nacos_config: NacosConfig | None = Field(None, json_schema_extra=OPAQUE)
    kubernetes_config: KubernetesConfig | None = Field(None, json_schema_extra=OPAQUE)
    consul_config: ConsulConfig | None = Field(None, json_schema_extra=OPAQUE)
    eureka_config: EurekaConfig | None = Field(None, json_schema_extra=OPAQUE)
    dns_config: DnsConfig | None = Field(None, json_schema_extra=OPAQUE)

    @model_validator(mode="after")
    def one_configuration(self) -> Self:
        """A registry is configured for its type; a DNS registry may do without."""
        if self.type != "dns" and getattr(self, f"{self.type}_config") is None:
            raise ValueError(f'property "{self.type}_config" is missing')
        return self


CONFIGS: Final[Mapping[str, type[Shape]]] = {
    "nacos": NacosConfig,
    "kubernetes": KubernetesConfig,
    "consul": ConsulConfig,
    "eureka": EurekaConfig,
    "dns": DnsConfig,
}


def configuration(registry: Mapping[str, Any]) -> dict[str, Any]:
    """How a registry (an accepted body) is reached, with the defaults that are not stored."""
    kind = str(registry["type"])
    simple = {n: f.default for n, f in CONFIGS[kind].model_fields.items() if isinstance(f.default, str | int | bool)}
    return {**simple, **(registry.get(f"{kind}_config") or {})}
