"""Tables of who may do what and how they sign in, and of the audit log's seals and where it is forwarded to."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from gatefleet.store.tables import metadata


def _when(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("now()"))


login_option: Final = Table(
    "login_option",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("config", JSONB, nullable=False, server_default=text("'{}'")),
    Column("sealed", JSONB, nullable=False, server_default=text("'[]'")),
    _when("created_at"),
    _when("updated_at"),
)
"""Where users prove who they are: `built_in` is the username and password of this control plane."""


permission_policy: Final = Table(
    "permission_policy",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("desc", Text, nullable=False, server_default=""),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("statement", JSONB, nullable=False),
    Column("built_in", Boolean, nullable=False, server_default=text("false")),
    _when("created_at"),
    _when("updated_at"),
)

role: Final = Table(
    "role",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("desc", Text, nullable=False, server_default=""),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("policies", JSONB, nullable=False, server_default=text("'[]'")),
    Column("built_in", Boolean, nullable=False, server_default=text("false")),
    _when("created_at"),
    _when("updated_at"),
)
"""`policies` are ids. What is built in never changes: the role of those who may do everything."""

audit_seal: Final = Table(
    "audit_seal",
    metadata,
    Column("segment", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    _when("sealed_at"),
    Column("forgotten_at", DateTime(timezone=True)),
    Column("columns", Integer, nullable=False, server_default=text("18")),
)
"""One hash per segment of the audit log: of its rows and of the hash before. The seals of forgotten rows stay.

`columns`: how many of a row's columns it is about, for versions that know fewer of them seal, too.
"""

audit_sealed: Final = Table(
    "audit_sealed",
    metadata,
    Column("audit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", BigInteger, nullable=False),
    Index(None, "segment"),
)
"""Which segment a row of the audit log belongs to; apart, so that rows never change."""

audit_sink: Final = Table(
    "audit_sink",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("config", JSONB, nullable=False),
    Column("sealed", JSONB, nullable=False, server_default=text("'[]'")),
    Column("segment", BigInteger, nullable=False, server_default=text("0")),
    Column("audit_id", BigInteger, nullable=False, server_default=text("0")),
    Column("failing_since", DateTime(timezone=True)),
    Column("last_error", Text, nullable=False, server_default=""),
    _when("created_at"),
    _when("updated_at"),
)
"""Somewhere the audit log is forwarded to, up to row `audit_id` of segment `segment`; ids have no order."""
