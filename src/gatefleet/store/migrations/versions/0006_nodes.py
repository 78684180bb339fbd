"""Nodes: when snapshot keys begin and end, where certificates come from."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
alter table snapshot_key add column signs_at timestamptz;
update snapshot_key set signs_at = created_at;
alter table snapshot_key alter column signs_at set default now(), alter column signs_at set not null;
alter table snapshot_key add column ends_at timestamptz;
alter table client_certificate add column origin text not null default ''
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
