"""Tables of what becomes of a change: receipts of nodes, rings that carry it to some of them first, approvals."""

from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from gatefleet.store.tables import metadata


def _when(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=None if nullable else text("now()"))


receipt: Final = Table(
    "receipt",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("proof", JSONB, nullable=False, server_default=text("'{}'")),
    _when("at"),
    PrimaryKeyConstraint("group_id", "instance_id", "revision"),
    Index(None, "group_id", "revision"),
)
"""What a node said of a revision it took: `live` or `rejected`. Nodes skip revisions: who serves one, serves older."""

ring: Final = Table(
    "ring",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("services", JSONB, nullable=False),
    Column("share", JSONB, nullable=False),
    Column("members", JSONB, nullable=False),
    Column("rule", JSONB(none_as_null=True)),
    Column("sealed_overlay", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("started_by", Text, nullable=False),
    _when("started_at"),
    Column("ended_by", Text),
    _when("ended_at", nullable=True),
    Column("reason", Text, nullable=False, server_default=""),
    Index("ring_running_group_id_idx", "group_id", unique=True, postgresql_where=text("state = 'running'")),
    Index(None, "group_id", "started_at"),
)
"""A publication that only `members` (instance ids) serve yet. `state`: running, promoted or rolled_back."""

ring_sample: Final = Table(
    "ring_sample",
    metadata,
    Column("ring_id", Text, ForeignKey("ring.id", ondelete="CASCADE"), nullable=False),
    Column("instance_id", Text, nullable=False),
    _when("at"),
    Column("counters", JSONB, nullable=False),
    PrimaryKeyConstraint("ring_id", "instance_id", "at"),
    Index(None, "ring_id", "at"),
)
"""What a node has counted of the ring's services by then; counters only grow, and begin anew with its Envoy."""

approval_rule: Final = Table(
    "approval_rule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("operations", JSONB, nullable=False, server_default=text("'[]'")),
    Column("expires_after", Integer, nullable=False),
    _when("created_at"),
    _when("updated_at"),
)
"""Gateway groups that carry all of `labels` take `operations` only with somebody else's consent, within seconds."""

approval: Final = Table(
    "approval",
    metadata,
    Column("id", Text, primary_key=True),
    Column("rule_id", Text),
    Column("state", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("group_ids", JSONB, nullable=False),
    Column("services", JSONB, nullable=False, server_default=text("'[]'")),
    Column("sealed_order", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("requested_by", Text, nullable=False),
    Column("requested_by_id", Text, nullable=False),
    Column("decided_by", Text),
    Column("decision_note", Text, nullable=False, server_default=""),
    _when("created_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _when("decided_at", nullable=True),
    Index(None, "state", "expires_at"),
)
"""`state`: pending, approved, rejected, expired. The order is kept as it was asked, its version already made."""
