"""Rehearsed outages of nodes."""

from alembic import op

revision = "0012"
down_revision = "0009"

TABLES = """
CREATE TABLE drill (
    id TEXT NOT NULL PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES gateway_group(id) ON DELETE CASCADE,
    instance_id TEXT NOT NULL,
    operator TEXT NOT NULL,
    wanted JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    report JSONB,
    reported_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX drill_group_id_created_at_idx ON drill (group_id, created_at)
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        op.execute(statement)
