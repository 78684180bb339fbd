"""Access: roles, permission policies, and the boundary of a user."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
create table permission_policy (
  id text primary key,
  name text not null unique,
  "desc" text not null default '',
  labels jsonb not null default '{}',
  statement jsonb not null,
  built_in boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table role (
  id text primary key,
  name text not null unique,
  "desc" text not null default '',
  labels jsonb not null default '{}',
  policies jsonb not null default '[]',
  built_in boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

insert into permission_policy (id, name, "desc", statement, built_in) values (
  'super_admin_policy_id', 'super-admin-permission-policy', 'May do everything',
  '[{"effect": "allow", "resources": ["*"], "actions": ["*"]}]', true
);
insert into role (id, name, "desc", policies, built_in) values (
  'super_admin_id', 'Super Admin', 'May do everything', '["super_admin_policy_id"]', true
);

alter table user_account add column boundary jsonb not null default '[]';
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
