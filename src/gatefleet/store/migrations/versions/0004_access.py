"""Access: roles, permission policies, the boundary of a user; and the seals of the audit log."""

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

alter table token add column prefix text not null default '';
alter table token add column last_used_at timestamptz;
alter table token add column gateway_groups jsonb;
alter table token add column actions jsonb;
create index token_prefix_idx on token (prefix);

alter table session add column ip_address text;
alter table session add column user_agent text;

create table login_failure (
  who bytea primary key,
  failures integer not null,
  last_at timestamptz not null default now()
);

alter table audit_log add column token_name text;
alter table audit_log add column user_agent text;

create table audit_seal (
  segment bigint primary key,
  rows integer not null,
  hash bytea not null,
  sealed_at timestamptz not null default now(),
  forgotten_at timestamptz
);

create table audit_sealed (
  audit_id bigint primary key,
  segment bigint not null
);
create index audit_sealed_segment_idx on audit_sealed (segment);

drop trigger audit_log_is_append_only on audit_log;
"""

FUNCTION = """
create function refuse_change_but_retention() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('gatefleet.retention', true) = 'on' then
    return old;
  end if;
  raise exception '% is append-only', tg_table_name;
end $$
"""

TRIGGERS = (
    """
    create trigger audit_log_is_append_only before update or delete on audit_log
      for each row execute function refuse_change_but_retention()
    """,
    """
    create trigger audit_sealed_is_append_only before update or delete on audit_sealed
      for each row execute function refuse_change_but_retention()
    """,
)


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    for statement in (FUNCTION, *TRIGGERS):
        op.execute(statement)
