"""An SSL object: certificates with their keys, for the server names they are shown for."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from gatefleet.resources.shape import HIDDEN, HOST_PATTERN, OPAQUE, Labels, Name, Shape, Text

Pem = Annotated[str, Field(min_length=128, max_length=65536)]
SecretPem = Annotated[SecretStr, Field(min_length=128, max_length=65536)]


class ClientCa(Shape):
    """The certificate authority that clients' certificates must come from."""

    ca: Pem
    depth: Annotated[int, Field(ge=0)] = 1
    skip_mtls_uri_regex: list[str] = Field(default_factory=list)


class Ssl(Shape):
    """`cert` and `key` are the first pair, `certs` and `keys` further ones (or all, if the first is absent)."""

    name: Name | None = None
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    type: Literal["server", "client"] = Field("server", json_schema_extra=HIDDEN)
    status: Annotated[int, Field(ge=0, le=1)] = Field(1, json_schema_extra=HIDDEN)
    snis: Annotated[list[Annotated[str, Field(pattern=HOST_PATTERN)]], Field(max_length=256)] = Field(
        default_factory=list[str]
    )
    cert: Pem | None = None
    key: SecretPem | None = None
    certs: Annotated[list[Pem], Field(max_length=16)] = Field(default_factory=list[str])
    keys: Annotated[list[SecretPem], Field(max_length=16)] = Field(default_factory=list[SecretStr])
    client: ClientCa | None = Field(None, json_schema_extra=OPAQUE)
    enable_http3: bool | None = Field(default=None, description="Serve these names by HTTP/3 too, on UDP 9443.")

    def pairs(self) -> tuple[tuple[str, SecretStr], ...]:
        """Certificate and key of each pair, in the order given."""
        first = ((self.cert, self.key),) if self.cert is not None and self.key is not None else ()
        return first + tuple(zip(self.certs, self.keys, strict=True))

    @model_validator(mode="after")
    def certificates_have_keys(self) -> Self:
        if (self.cert is None) != (self.key is None) or len(self.certs) != len(self.keys):
            raise ValueError("every certificate needs its key: cert with key, certs with as many keys")
        if self.cert is None and not self.certs:
            raise ValueError('property "cert" is missing')
        if self.type == "server" and not self.snis:
            raise ValueError('property "snis" is missing')
        return self
