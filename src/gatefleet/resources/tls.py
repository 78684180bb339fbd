"""Certificates, certificates of authorities, and SNIs: which certificate is shown for which server name."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gatefleet.resources.shape import HOST_PATTERN, Id, Labels, Name, PluginConfs, Shape, Text
from gatefleet.resources.ssl import Pem, SecretPem

Protocol = Literal["TLSv1.1", "TLSv1.2", "TLSv1.3"]


class Certificate(Shape):
    """A certificate (leaf first, then its chain) with its private key, which is never given back."""

    name: Name | None = None
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    cert: Pem
    key: SecretPem


class CaCertificate(Shape):
    """Certificates of authorities: what clients' or upstreams' certificates must come from."""

    name: Name | None = None
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    cert: Pem


class Mtls(Shape):
    """Whether clients must show a certificate, and from which authorities."""

    enabled: bool = False
    ca_certificates: Annotated[list[Id], Field(max_length=16)] = Field(default_factory=list[str])
    depth: Annotated[int, Field(ge=1, le=100)] = 1
    skip_mtls_uri_regex: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=64)] = Field(
        default_factory=list[str]
    )

    @model_validator(mode="after")
    def enabled_names_authorities(self) -> Self:
        if self.enabled and not self.ca_certificates:
            raise ValueError('property "ca_certificates" is missing, and mtls is enabled')
        return self


class Sni(Shape):
    """A server name, exact or `*.example.com`, with the ids of the certificates shown for it."""

    name: Name | None = None
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    domain: Annotated[str, Field(pattern=HOST_PATTERN, max_length=253)]
    certificates: Annotated[list[Id], Field(min_length=1, max_length=16)]
    ssl_protocols: Annotated[list[Protocol], Field(min_length=1)] | None = None
    mtls: Mtls | None = None
    enable_http3: bool | None = Field(default=None, description="Serve this name by HTTP/3 too, on UDP 9443.")
    plugins: PluginConfs = Field(default_factory=dict)
