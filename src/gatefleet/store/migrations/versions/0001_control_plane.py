"""The control plane's tables: groups, their documents and revisions, versions, users, audit."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create sequence write_order;

create table gateway_group (
  id text primary key,
  name text not null unique,
  type text not null,
  description text not null default '',
  labels jsonb not null default '{}',
  enforce_service_publishing boolean not null default false,
  image_tag text,
  revision bigint not null default 0,
  created_order bigint not null default nextval('write_order'),
  updated_order bigint not null default nextval('write_order'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table resource (
  group_id text not null references gateway_group (id) on delete cascade,
  kind text not null,
  key text not null,
  id text not null,
  parent text,
  body jsonb not null,
  sealed jsonb not null default '[]',
  revision bigint not null,
  created_order bigint not null default nextval('write_order'),
  updated_order bigint not null default nextval('write_order'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (group_id, kind, key)
);
create index resource_group_id_kind_parent_idx on resource (group_id, kind, parent);
create index resource_group_id_revision_idx on resource (group_id, revision);
create index resource_group_id_kind_updated_order_idx on resource (group_id, kind, updated_order);

create table claim (
  group_id text not null,
  space text not null,
  token text not null,
  kind text not null,
  key text not null,
  primary key (group_id, space, token),
  foreign key (group_id, kind, key) references resource (group_id, kind, key) on delete cascade
);
create index claim_group_id_kind_key_idx on claim (group_id, kind, key);

create table revision_log (
  group_id text not null references gateway_group (id) on delete cascade,
  revision bigint not null,
  at timestamptz not null default now(),
  operator text not null,
  request_id text not null,
  upserts jsonb not null,
  deletes jsonb not null,
  primary key (group_id, revision)
);

create table template (
  kind text not null,
  id text not null,
  parent text,
  body jsonb not null,
  sealed jsonb not null default '[]',
  created_order bigint not null default nextval('write_order'),
  updated_order bigint not null default nextval('write_order'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (kind, id)
);
create index template_kind_parent_idx on template (kind, parent);

create table service_version (
  id text primary key,
  service_id text not null,
  number integer not null,
  version text not null,
  content jsonb not null,
  sealed jsonb not null default '[]',
  content_hash text not null,
  created_at timestamptz not null default now(),
  unique (service_id, number),
  unique (service_id, version)
);

create table publication (
  group_id text not null references gateway_group (id) on delete cascade,
  service_id text not null,
  version_id text references service_version (id),
  published_at timestamptz not null default now(),
  primary key (group_id, service_id)
);
create index publication_service_id_idx on publication (service_id);

create table publication_history (
  id bigint generated always as identity primary key,
  group_id text not null,
  service_id text not null,
  version_id text,
  version text,
  action text not null,
  operator text not null,
  at timestamptz not null default now()
);
create index publication_history_group_id_service_id_id_idx on publication_history (group_id, service_id, id);

create table user_account (
  id text primary key,
  username text not null unique,
  password_hash text not null,
  must_change_password boolean not null,
  roles jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table session (
  token_hash bytea primary key,
  user_id text not null references user_account (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index session_user_id_idx on session (user_id);

create table token (
  id text primary key,
  user_id text not null references user_account (id) on delete cascade,
  name text not null,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz
);
create index token_user_id_idx on token (user_id);

create table group_key (
  group_id text primary key references gateway_group (id) on delete cascade,
  token_hash bytea not null unique,
  created_at timestamptz not null default now()
);

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  request_id text not null,
  event_type text not null,
  operator_id text,
  operator text not null,
  source text not null,
  gateway_group_id text,
  resource_kind text,
  resource_id text,
  ip_address text,
  method text not null,
  path text not null,
  status integer not null,
  error_message text,
  request jsonb
);
create index audit_log_at_idx on audit_log (at);
create index audit_log_gateway_group_id_at_idx on audit_log (gateway_group_id, at);

create table data_key (
  id integer generated always as identity primary key,
  purpose text not null,
  wrapped bytea not null,
  created_at timestamptz not null default now()
);

create table system_setting (
  name text primary key,
  value jsonb not null
);

insert into gateway_group (id, name, type)
  values ('default', 'default', 'api7_gateway');
"""

FUNCTION = """
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end $$
"""

TRIGGER = """
create trigger audit_log_is_append_only before update or delete on audit_log
  for each row execute function refuse_change()
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(FUNCTION)
    op.execute(TRIGGER)
