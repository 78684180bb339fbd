"""What the control plane tells nodes of an upstream that is looked up in a service registry."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Lookup(msgspec.Struct, frozen=True):
    """One upstream: a registry with its configuration, secrets in clear, and the name to look up there."""

    registry: str
    type: Literal["nacos", "kubernetes", "consul", "eureka", "dns"]
    config: Mapping[str, Any]
    patience: int
    """Seconds an answer may take."""
    namespace: str
    group: str
    """Empty where the registry has no groups."""
    service: str
    metadata: Mapping[str, str]
    """What an instance must carry to be taken."""
    default_port: int

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self, order="deterministic")

    @classmethod
    def from_bytes(cls, body: bytes) -> "Lookup":
        """Raises msgspec.DecodeError when `body` is not a lookup."""
        return msgspec.msgpack.decode(body, type=cls)
