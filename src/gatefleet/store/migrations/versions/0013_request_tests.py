"""Requests that nodes are to try."""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLE = """
CREATE TABLE request_test (
    id TEXT NOT NULL PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES gateway_group(id) ON DELETE CASCADE,
    instance_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    taken_at TIMESTAMP WITH TIME ZONE,
    sealed_order TEXT NOT NULL,
    sealed_answer TEXT
)
"""


def upgrade() -> None:
    op.execute(TABLE)
