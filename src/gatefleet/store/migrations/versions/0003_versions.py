"""Versions and what becomes of them: history of documents, receipts, rings, approvals."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
create table resource_history (
  group_id text not null references gateway_group (id) on delete cascade,
  kind text not null,
  key text not null,
  revision bigint not null,
  id text not null,
  parent text,
  body jsonb,
  sealed jsonb not null default '[]',
  primary key (group_id, kind, key, revision)
);
create index resource_history_group_id_revision_idx on resource_history (group_id, revision);
insert into resource_history (group_id, kind, key, revision, id, parent, body, sealed)
  select group_id, kind, key, revision, id, parent, body, sealed from resource;
alter table gateway_group add column history_from bigint not null default 0;
update gateway_group set history_from = revision;
alter table gateway_group add column ring_id text;

alter table revision_log add column action text not null default 'edit';
alter table revision_log add column note text not null default '';

alter table service_version add column created_by text not null default '';
alter table service_version add column note text not null default '';
alter table service_version add column rollback_note text not null default '';
alter table service_version add column owner text not null default '';

alter table publication_history add column revision bigint not null default 0;
alter table publication_history add column note text not null default '';
alter table publication_history add column source_group_id text;

alter table instance add column labels jsonb not null default '{}';
alter table instance add column registries jsonb not null default '{}';
alter table instance add column proven_revision bigint;
alter table instance add column pending text not null default '';

create table receipt (
  group_id text not null references gateway_group (id) on delete cascade,
  instance_id text not null,
  revision bigint not null,
  state text not null,
  reason text not null default '',
  proof jsonb not null default '{}',
  at timestamptz not null default now(),
  primary key (group_id, instance_id, revision)
);
create index receipt_group_id_revision_idx on receipt (group_id, revision);

create table ring (
  id text primary key,
  group_id text not null references gateway_group (id) on delete cascade,
  state text not null,
  revision bigint not null,
  services jsonb not null,
  share jsonb not null,
  members jsonb not null,
  rule jsonb,
  sealed_overlay text not null,
  note text not null default '',
  started_by text not null,
  started_at timestamptz not null default now(),
  ended_by text,
  ended_at timestamptz,
  reason text not null default ''
);
create unique index ring_running_group_id_idx on ring (group_id) where state = 'running';
create index ring_group_id_started_at_idx on ring (group_id, started_at);

create table ring_sample (
  ring_id text not null references ring (id) on delete cascade,
  instance_id text not null,
  at timestamptz not null default now(),
  counters jsonb not null,
  primary key (ring_id, instance_id, at)
);
create index ring_sample_ring_id_at_idx on ring_sample (ring_id, at);

create table approval_rule (
  id text primary key,
  name text not null unique,
  labels jsonb not null default '{}',
  operations jsonb not null default '[]',
  expires_after integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table approval (
  id text primary key,
  rule_id text,
  state text not null,
  operation text not null,
  group_ids jsonb not null,
  services jsonb not null default '[]',
  sealed_order text not null,
  note text not null default '',
  requested_by text not null,
  requested_by_id text not null,
  decided_by text,
  decision_note text not null default '',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  decided_at timestamptz
);
create index approval_state_expires_at_idx on approval (state, expires_at);
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
