"""How nodes of upstreams are, as each instance sees them."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
CREATE TABLE upstream_health (
    group_id TEXT NOT NULL REFERENCES gateway_group(id) ON DELETE CASCADE,
    instance_id TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    upstreams INTEGER NOT NULL,
    unwell JSONB NOT NULL,
    more INTEGER NOT NULL,
    PRIMARY KEY (group_id, instance_id)
)
"""


def upgrade() -> None:
    op.execute(TABLES)
