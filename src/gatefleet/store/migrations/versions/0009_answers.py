"""What changes answered, in their rows of the audit log."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE audit_log ADD COLUMN response JSONB")
    op.execute("ALTER TABLE audit_seal ADD COLUMN columns INTEGER NOT NULL DEFAULT 18")
