"""The words nodes and the DP Manager exchange beside the configuration stream: enrolment, renewal, heartbeats.

gRPC service `gatefleet.Fleet`, unary calls, msgpack bodies. A join token admits a call to `Enroll`; every other call
needs a client certificate, and its group is the only group the caller has to do with.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

SERVICE: Final = "gatefleet.Fleet"
ENROLL: Final = f"/{SERVICE}/Enroll"
RENEW: Final = f"/{SERVICE}/Renew"
HEARTBEAT: Final = f"/{SERVICE}/Heartbeat"
CA_PATH: Final = "/ca.pem"
"""GET on the TLS port, open to everybody: the CA's certificate, which a join token's fingerprint then confirms."""
VERSION_HEADER: Final = "x-gatefleet-version"
"""gRPC metadata of the configuration stream: the node's version."""
HEARTBEAT_SECONDS: Final = 5.0


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a node runs, as it says itself; for people to read."""

    hostname: str
    ip: str
    version: str
    """Gatefleet's version, such as 0.1.0; the DP Manager refuses newer ones than its own."""
    ports: tuple[int, ...] = ()
    cores: int = 0


class Enroll(msgspec.Struct, frozen=True):
    """Ask for a certificate for a key that stays with the node; the token names the group."""

    token: str
    csr: str
    instance: str
    """The id the node chose for itself and keeps in its data directory."""
    machine: Machine


class Enrolled(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's certificate and what goes with it; the answer to `Enroll` and to `Renew`."""

    certificate: str
    ca_certificate: str
    group: str
    instance: str
    verification_keys: Mapping[str, bytes]
    snapshot_key: bytes
    dp_manager_addresses: tuple[str, ...] = ()


class Renew(msgspec.Struct, frozen=True):
    """Ask for the next certificate, with the present one."""

    csr: str


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a node is; every `HEARTBEAT_SECONDS` and after each revision it took."""

    machine: Machine
    applied_revision: int = 0
    envoy: str = ""
    """What Envoy says of itself (LIVE, DRAINING ...), empty when it does not run."""
    certificate_expires_at: int = 0
    """Unix seconds."""
    problems: Mapping[str, str] = {}
    """Resources this node's Envoy refuses, "<type URL>/<name>" to the reason."""
    leaving: bool = False
    """The node is shutting down."""


class Heard(msgspec.Struct, frozen=True):
    """The answer to a heartbeat."""

    newest_revision: int
