"""Nodes: copies, peers and revoked certificates."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = ""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
