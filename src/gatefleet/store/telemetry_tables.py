"""The tables of telemetry, each in partitions that are used in turn and emptied before they are used again.

`slot` numbers the partition a row is in: see `gatefleet.store.telemetry`.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gatefleet.figures import FIELDS
from gatefleet.store.tables import metadata


def _traffic(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("slot", SmallInteger, nullable=False),
        Column("group_id", Text, nullable=False),
        Column("dimension", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("service_id", Text, nullable=False),
        Column("name", Text, nullable=False),
        *(Column(field, BigInteger, nullable=False) for field in FIELDS),
        PrimaryKeyConstraint("slot", "group_id", "dimension", "at", "service_id", "name"),
        postgresql_partition_by="LIST (slot)",
    )


traffic_fine: Final = _traffic("traffic_fine")
traffic_minute: Final = _traffic("traffic_minute")
"""What was served in the step that began at `at`. `dimension` says what `name` is: a route, a consumer or an instance;
every request is counted once in each dimension. `service_id` is empty for what no route serves, `name` for what has
none, and `*` stands for those that are not told apart."""

access_entry: Final = Table(
    "access_entry",
    metadata,
    Column("slot", SmallInteger, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("group_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("route_id", Text, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("latency_us", BigInteger, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("details", Text, nullable=False),
    PrimaryKeyConstraint("slot", "id"),
    Index(None, "group_id", "at", "id"),
    Index(None, "group_id", "service_id", "at", "id"),
    postgresql_partition_by="LIST (slot)",
)
"""Single requests, a few of all."""

telemetry_mark: Final = Table(
    "telemetry_mark",
    metadata,
    Column("group_id", Text, nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("group_id", "instance_id", "run"),
)
"""The last report that is on record of each Envoy of an instance: what is sent again is not counted again."""

prometheus: Final = Table(
    "prometheus",
    metadata,
    Column("id", Text, primary_key=True),
    Column("config", JSONB, nullable=False),
    Column("sealed", JSONB, nullable=False),
)
"""The user's own Prometheus, if there is one."""

PARTITIONS: Final = {"traffic_fine": 4, "traffic_minute": 8, "access_entry": 8}
"""How many partitions each table has, `<table>_p<slot>`."""
