"""The tables, as SQLAlchemy Core sees them; the migrations make them and a test holds the two equal."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

write_order: Final = Sequence("write_order", metadata=metadata)
"""A number that only grows: two writes in one second still have an order."""


def _when(name: str, *, nullable: bool = False) -> Column[object]:
    default = None if nullable else text("now()")
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


gateway_group: Final = Table(
    "gateway_group",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("enforce_service_publishing", Boolean, nullable=False, server_default=text("false")),
    Column("image_tag", Text),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    Column("ring_id", Text),
    Column("history_from", BigInteger, nullable=False, server_default=text("0")),
    Column("created_order", BigInteger, nullable=False, server_default=write_order.next_value()),
    Column("updated_order", BigInteger, nullable=False, server_default=write_order.next_value()),
    _when("created_at"),
    _when("updated_at"),
)
"""`history_from` is the oldest revision that is kept: what the group held then, and since, can be read again.

`ring_id` is the ring that runs: writers of the group lock this row, so they know of it without asking again.
"""

resource: Final = Table(
    "resource",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("parent", Text),
    Column("body", JSONB, nullable=False),
    Column("sealed", JSONB, nullable=False, server_default=text("'[]'")),
    Column("revision", BigInteger, nullable=False),
    Column("created_order", BigInteger, nullable=False, server_default=write_order.next_value()),
    Column("updated_order", BigInteger, nullable=False, server_default=write_order.next_value()),
    _when("created_at"),
    _when("updated_at"),
    PrimaryKeyConstraint("group_id", "kind", "key"),
    Index(None, "group_id", "kind", "parent"),
    Index(None, "group_id", "revision"),
    Index(None, "group_id", "kind", "updated_order"),
)
"""`body` holds secrets encrypted; `sealed` lists where, as paths: [["plugins", "key-auth", "key"]]."""

claim: Final = Table(
    "claim",
    metadata,
    Column("group_id", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    PrimaryKeyConstraint("group_id", "space", "token"),
    ForeignKeyConstraint(
        ["group_id", "kind", "key"],
        ["resource.group_id", "resource.kind", "resource.key"],
        ondelete="CASCADE",
    ),
    Index(None, "group_id", "kind", "key"),
)
"""What only one document of a group may have: a server name, a credential (as a keyed hash, never in clear)."""

revision_log: Final = Table(
    "revision_log",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("revision", BigInteger, nullable=False),
    _when("at"),
    Column("operator", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("upserts", JSONB, nullable=False),
    Column("deletes", JSONB, nullable=False),
    Column("action", Text, nullable=False, server_default="edit"),
    Column("note", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("group_id", "revision"),
)
"""One row per revision; `upserts` and `deletes` are lists of [kind, key], the deletes being the tombstones."""

resource_history: Final = Table(
    "resource_history",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("parent", Text),
    Column("body", JSONB(none_as_null=True)),
    Column("sealed", JSONB, nullable=False, server_default=text("'[]'")),
    PrimaryKeyConstraint("group_id", "kind", "key", "revision"),
    Index(None, "group_id", "revision"),
)
"""Every form a document ever had, by the revision that gave it that form; no body: it was deleted then."""

template: Final = Table(
    "template",
    metadata,
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("parent", Text),
    Column("body", JSONB, nullable=False),
    Column("sealed", JSONB, nullable=False, server_default=text("'[]'")),
    Column("created_order", BigInteger, nullable=False, server_default=write_order.next_value()),
    Column("updated_order", BigInteger, nullable=False, server_default=write_order.next_value()),
    _when("created_at"),
    _when("updated_at"),
    PrimaryKeyConstraint("kind", "id"),
    Index(None, "kind", "parent"),
)
"""Service templates (kind `services`) and their routes (kind `routes`, parent = the template's id)."""

service_version: Final = Table(
    "service_version",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("sealed", JSONB, nullable=False, server_default=text("'[]'")),
    Column("content_hash", Text, nullable=False),
    _when("created_at"),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("rollback_note", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    UniqueConstraint("service_id", "number"),
    UniqueConstraint("service_id", "version"),
)
"""Immutable: the plugins and routes of a service template at the time it was versioned."""

publication: Final = Table(
    "publication",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), nullable=False),
    Column("service_id", Text, nullable=False),
    Column("version_id", Text, ForeignKey("service_version.id")),
    _when("published_at"),
    PrimaryKeyConstraint("group_id", "service_id"),
    Index(None, "service_id"),
)
"""Which version of a service a group runs; no version: it was edited on the group. The rest is in the documents."""

publication_history: Final = Table(
    "publication_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("group_id", Text, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("version_id", Text),
    Column("version", Text),
    Column("action", Text, nullable=False),
    Column("operator", Text, nullable=False),
    _when("at"),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    Column("note", Text, nullable=False, server_default=""),
    Column("source_group_id", Text),
    Index(None, "group_id", "service_id", "id"),
)
"""`revision` is the group's that made it so; `source_group_id` the group a version was synced from."""

user: Final = Table(
    "user_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("roles", JSONB, nullable=False, server_default=text("'[]'")),
    Column("boundary", JSONB, nullable=False, server_default=text("'[]'")),
    _when("created_at"),
    _when("updated_at"),
    Column("login_option_id", Text, ForeignKey("login_option.id"), nullable=False, server_default="built_in"),
)

session: Final = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", Text, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False),
    _when("created_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("ip_address", Text),
    Column("user_agent", Text),
    Index(None, "user_id"),
)

login_failure: Final = Table(
    "login_failure",
    metadata,
    Column("who", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    _when("last_at"),
)
"""Wrong passwords in a row; `who` is a hash of a username, or of a username and an address."""

token: Final = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    _when("created_at"),
    Column("expires_at", DateTime(timezone=True)),
    Column("prefix", Text, nullable=False, server_default=""),
    _when("last_used_at", nullable=True),
    Column("gateway_groups", JSONB(none_as_null=True)),
    Column("actions", JSONB(none_as_null=True)),
    Index(None, "user_id"),
    Index(None, "prefix"),
)
"""`prefix`: how a token that leaked begins, to be found by. It may do no more than its user, in these groups only."""

group_key: Final = Table(
    "group_key",
    metadata,
    Column("group_id", Text, ForeignKey("gateway_group.id", ondelete="CASCADE"), primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    _when("created_at"),
)
"""The admin key of a group (`a7adm-`): it may do everything in this group and nothing outside it."""

audit_log: Final = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _when("at"),
    Column("request_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("operator_id", Text),
    Column("operator", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("gateway_group_id", Text),
    Column("resource_kind", Text),
    Column("resource_id", Text),
    Column("ip_address", Text),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error_message", Text),
    Column("request", JSONB),
    Column("token_name", Text),
    Column("user_agent", Text),
    Column("response", JSONB),
    Index(None, "at"),
    Index(None, "gateway_group_id", "at"),
)
"""Append-only (a trigger refuses updates and deletes); secrets in `request` and `response` are masked."""

data_key: Final = Table(
    "data_key",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    _when("created_at"),
    _when("active_at"),
)
"""The keys that secrets are encrypted (`seal`) and compared (`index`) with, themselves encrypted by the master key.

A key encrypts from `active_at` on, when every process knows it.
"""

data_key_copy: Final = Table(
    "data_key_copy",
    metadata,
    Column("key_id", Integer, ForeignKey("data_key.id", ondelete="CASCADE"), nullable=False),
    Column("master", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    PrimaryKeyConstraint("key_id", "master"),
)
"""Data keys encrypted by further master keys, by a hash of those: while one takes another's place, both open them."""

system_setting: Final = Table(
    "system_setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
)
