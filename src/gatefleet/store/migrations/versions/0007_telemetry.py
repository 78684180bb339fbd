"""Telemetry: what nodes measured in the last day."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = ""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
