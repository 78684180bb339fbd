"""The fleet's tables: the CA and what it issued, join tokens, snapshot keys, nodes and their problems."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
create table certificate_authority (
  id integer generated always as identity primary key,
  certificate text not null,
  sealed_key text not null,
  created_at timestamptz not null default now()
);

create table join_token (
  id text primary key,
  group_id text not null references gateway_group (id) on delete cascade,
  hash text not null unique,
  created_at timestamptz not null default now(),
  last_used_at timestamptz
);
create index join_token_group_id_idx on join_token (group_id);

create table client_certificate (
  serial text primary key,
  fingerprint text not null,
  group_id text not null,
  instance_id text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index client_certificate_group_id_instance_id_idx on client_certificate (group_id, instance_id);

create table snapshot_key (
  group_id text not null references gateway_group (id) on delete cascade,
  key_id text not null,
  sealed_seal text not null,
  sealed_copy text not null,
  created_at timestamptz not null default now(),
  primary key (group_id, key_id)
);

create table instance (
  group_id text not null references gateway_group (id) on delete cascade,
  id text not null,
  hostname text not null,
  ip text not null,
  version text not null,
  ports jsonb not null default '[]',
  cores integer not null default 0,
  applied_revision bigint not null default 0,
  envoy text not null default '',
  problems jsonb not null default '{}',
  certificate_expires_at timestamptz,
  created_at timestamptz not null default now(),
  last_heartbeat_at timestamptz not null default now(),
  left_at timestamptz,
  primary key (group_id, id)
);

create table group_status (
  group_id text primary key references gateway_group (id) on delete cascade,
  revision bigint not null,
  problems jsonb not null,
  compiled_at timestamptz not null default now()
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
