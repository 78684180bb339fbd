"""Access: sign-in, addresses and keys."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = ""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
