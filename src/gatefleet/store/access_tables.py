"""Tables of who may do what: roles and the permission policies they are made of."""

from typing import Final

from sqlalchemy import Boolean, Column, DateTime, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from gatefleet.store.tables import metadata


def _when(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("now()"))


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
