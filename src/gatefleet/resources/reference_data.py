"""What only other resources refer to: protobuf definitions, and where secrets are kept outside."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from gatefleet.resources.shape import Labels, Name, Shape, Text

Uri = Annotated[str, Field(pattern=r"^https?://", min_length=1, max_length=4096)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=65536)]
Word = Annotated[str, Field(min_length=1, max_length=4096)]
Authorities = Annotated[str, Field(min_length=1, max_length=65536)]
"""Certificates in PEM that the server's must come from."""


class Proto(Shape):
    """A protobuf definition: the text of a .proto file, or a descriptor set in base64."""

    name: Name | None = None
    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)
    content: Annotated[str, Field(min_length=1, max_length=1 << 20)]


class _Provider(Shape):
    """`manager` is the first part of the id, as in `vault/team-a`."""

    desc: Text | None = None
    labels: Labels = Field(default_factory=dict)


class VaultProvider(_Provider):
    """HashiCorp Vault: its address, the path below which secrets stand, and how to log in.

    With version 2 of the key-value engine the first part of `prefix` is the engine's path.
    """

    manager: Literal["vault", "aws", "kubernetes"] = "vault"
    uri: Uri
    prefix: Word
    kv_version: Literal["1", "2"] | None = None
    auth_method: Literal["token", "approle", "kubernetes"] | None = None
    token: Secret | None = None
    role: Word | None = None
    role_id: Word | None = None
    secret_id: Secret | None = None
    auth_path: Word | None = None
    namespace: Word | None = None
    ca: Authorities | None = None

    def missing(self) -> list[str]:
        """Fields that its way to log in needs, and that it has not."""
        needed = {"approle": ("role_id", "secret_id"), "kubernetes": ("role",)}.get(self.auth_method or "", ("token",))
        return [name for name in needed if getattr(self, name) is None]


class AwsProvider(_Provider):
    """AWS Secrets Manager; without keys the role of the machine counts."""

    manager: Literal["aws"] = "aws"
    access_key_id: Word | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    region: Word = "us-east-1"
    endpoint_url: Uri | None = None


class KubernetesProvider(_Provider):
    """Secrets of a Kubernetes cluster; without an address and token those of the pod count."""

    manager: Literal["kubernetes"] = "kubernetes"
    api_server: Uri | None = None
    token: Secret | None = None
    namespace: Word = "default"
    ca: Authorities | None = None
