"""The fleet's tables: the CA and what it issued, join tokens, snapshot keys, nodes and their problems."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gatefleet.store.tables import metadata


def _when(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=None if nullable else text("now()"))


certificate_authority: Final = Table(
    "certificate_authority",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("certificate", Text, nullable=False),
    Column("sealed_key", Text, nullable=False),
    _when("created_at"),
)
"""The newest one issues."""

join_token: Final = Table(
    "join_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    _when("created_at"),
    _when("last_used_at", nullable=True),
    Index(None, "group_id"),
)

client_certificate: Final = Table(
    "client_certificate",
    metadata,
    Column("serial", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("instance_id", Text, nullable=False),
    _when("created_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _when("revoked_at", nullable=True),
    Column("origin", Text, nullable=False, server_default=""),
    Index(None, "group_id", "instance_id"),
)
"""`origin`: what its node joined with, `token/<id>` or `certificate/<serial>` of one handed out as a file. Rows outlive
their group: a revoked certificate stays on the revocation list until it expires."""

snapshot_key: Final = Table(
    "snapshot_key",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("sealed_seal", Text, nullable=False),
    Column("sealed_copy", Text, nullable=False),
    _when("created_at"),
    _when("signs_at"),
    _when("ends_at", nullable=True),
    PrimaryKeyConstraint("group_id", "key_id"),
)
"""The latest whose `signs_at` has come signs and encrypts; nodes check with all that have not ended."""

instance: Final = Table(
    "instance",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("id", Text, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("ports", JSONB, nullable=False, server_default=text("'[]'")),
    Column("cores", Integer, nullable=False, server_default=text("0")),
    Column("applied_revision", BigInteger, nullable=False, server_default=text("0")),
    Column("envoy", Text, nullable=False, server_default=""),
    Column("problems", JSONB, nullable=False, server_default=text("'{}'")),
    _when("certificate_expires_at", nullable=True),
    _when("created_at"),
    _when("last_heartbeat_at"),
    _when("left_at", nullable=True),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("registries", JSONB, nullable=False, server_default=text("'{}'")),
    Column("proven_revision", BigInteger),
    Column("pending", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("group_id", "id"),
)
"""`problems`: resources this node's Envoy refuses, to the reason. `proven_revision`: the newest one that it saw served
by its Envoy, null if it is too old to look; `pending`: why a newer one is not."""

drill: Final = Table(
    "drill",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("wanted", JSONB, nullable=False),
    _when("created_at"),
    Column("report", JSONB),
    _when("reported_at", nullable=True),
    Index(None, "group_id", "created_at"),
)
"""Rehearsed outages. `wanted`: what was ordered, as `fleet.Drill`; `report`: what came of it, as `fleet.Drilled`."""

request_test: Final = Table(
    "request_test",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("instance_id", Text, nullable=False),
    _when("created_at"),
    _when("taken_at", nullable=True),
    Column("sealed_order", Text, nullable=False),
    Column("sealed_answer", Text),
)
"""Requests that nodes are to try, for as long as somebody waits: `fleet.RequestTest` and `fleet.Tested`, encrypted."""

group_status: Final = Table(
    "group_status",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("problems", JSONB, nullable=False),
    _when("compiled_at"),
)
"""What compiling the group's newest revision came to; `problems`: documents left out, "kind/key" to the reason."""
