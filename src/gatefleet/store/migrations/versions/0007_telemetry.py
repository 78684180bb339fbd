"""Telemetry: what nodes measured in the last day."""

from alembic import op

revision = "0007"
down_revision = "0006"

FIGURES = (
    *(f"status_{name}" for name in ("other", "2xx", "3xx", "4xx", "5xx")),
    *("bytes_in", "bytes_out", "latency_us"),
    *(f"bucket_{number}" for number in range(24)),
)
TRAFFIC = """
CREATE TABLE {name} (
    slot SMALLINT NOT NULL,
    group_id TEXT NOT NULL,
    dimension TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    service_id TEXT NOT NULL,
    name TEXT NOT NULL,
    {figures},
    PRIMARY KEY (slot, group_id, dimension, at, service_id, name)
) PARTITION BY LIST (slot)
"""
OTHERS = """
CREATE TABLE access_entry (
    slot SMALLINT NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    group_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    instance_id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    route_id TEXT NOT NULL,
    consumer TEXT NOT NULL,
    method TEXT NOT NULL,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    status SMALLINT NOT NULL,
    latency_us BIGINT NOT NULL,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    upstream TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (slot, id)
) PARTITION BY LIST (slot);
CREATE INDEX access_entry_group_id_at_id_idx ON access_entry (group_id, at, id);
CREATE INDEX access_entry_group_id_service_id_at_id_idx ON access_entry (group_id, service_id, at, id);
CREATE TABLE telemetry_mark (
    group_id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    run TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (group_id, instance_id, run)
);
CREATE TABLE prometheus (
    id TEXT PRIMARY KEY,
    config JSONB NOT NULL,
    sealed JSONB NOT NULL
)
"""
PARTITIONS = {"traffic_fine": 4, "traffic_minute": 8, "access_entry": 8}


def upgrade() -> None:
    figures = ",\n    ".join(f"{name} BIGINT NOT NULL" for name in FIGURES)
    for name in ("traffic_fine", "traffic_minute"):
        op.execute(TRAFFIC.format(name=name, figures=figures))
    for statement in OTHERS.split(";"):
        op.execute(statement)
    for name, count in PARTITIONS.items():
        for slot in range(count):
            op.execute(f"CREATE TABLE {name}_p{slot} PARTITION OF {name} FOR VALUES IN ({slot})")
