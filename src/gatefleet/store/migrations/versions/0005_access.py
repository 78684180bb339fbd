"""Access: ways to sign in, where the audit log is forwarded to, and data keys under more than one master key."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
create table login_option (
  id text primary key,
  name text not null unique,
  type text not null,
  enabled boolean not null default true,
  config jsonb not null default '{}',
  sealed jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
insert into login_option (id, name, type) values ('built_in', 'Username and password', 'built_in');

alter table user_account add column login_option_id text not null default 'built_in' references login_option (id);

create table audit_sink (
  id text primary key,
  name text not null unique,
  type text not null,
  enabled boolean not null default true,
  config jsonb not null,
  sealed jsonb not null default '[]',
  segment bigint not null default 0,
  audit_id bigint not null default 0,
  failing_since timestamptz,
  last_error text not null default '',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table data_key_copy (
  key_id integer not null references data_key (id) on delete cascade,
  master text not null,
  wrapped bytea not null,
  primary key (key_id, master)
);

alter table data_key add column active_at timestamptz not null default now();
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
