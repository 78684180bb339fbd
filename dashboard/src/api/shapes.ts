/** What is read of answers that the OpenAPI document only calls objects. */
import type { Schemas } from "./client";

export type Labels = Record<string, string>;
export type Service = Schemas["service_shown"];
export type Route = Schemas["route_shown"];
export type Upstream = Schemas["upstream_shown"];
export type PluginConfigs = Record<string, Record<string, unknown>>;

export interface Me {
  id: string;
  username: string;
  roles: string[];
  must_change_password: boolean;
}

export interface Listed<T> {
  list: T[];
  total: number;
}

export interface Group {
  id: string;
  type: string;
  name: string;
  description: string;
  labels: Labels;
  enforce_service_publishing: boolean;
  config: { image_tag?: string };
  created_at: number;
  updated_at: number;
}

export type InstanceStatus = "Healthy" | "OutOfSync" | "LostConnection" | "Offline";

export interface Instance {
  id: string;
  gateway_group_id: string;
  hostname: string;
  ip: string;
  version: string;
  /** What the gateway group's image_tag says; the same where it says nothing. */
  expected_version: string;
  ports: number[];
  cores: number;
  labels: Labels;
  status: InstanceStatus;
  conf_server_revision: number;
  proven_revision: number | null;
  revision_lag: number;
  pending: string;
  problems: Record<string, string>;
  created_at: number;
  last_heartbeat_time: number;
  dataplane_certificate_expire_time?: number;
  to_be_deleted_at?: number;
}

/** A service of a gateway group; without `version` it was edited on the group. */
export type PublishedService = Service & {
  gateway_group_id: string;
  version?: string;
  service_version_id?: string;
  published_at?: number;
};

export interface FieldChange {
  path: string;
  before?: unknown;
  after?: unknown;
}

export interface Change {
  kind: string;
  id: string;
  parent?: string;
  name: string;
  action: "added" | "removed" | "changed";
  fields: FieldChange[];
}

export interface ConflictSide {
  service_id: string;
  service_name: string;
  route_id: string;
  route_name: string;
  url: string;
}

export interface Conflicts {
  duplicate: [ConflictSide, ConflictSide][];
  overlapping: [ConflictSide, ConflictSide][];
}

export interface GroupPlan {
  gateway_group_id: string;
  changes: Change[];
  text: string[];
  conflicts: Conflicts;
}

export interface VersionSaid {
  service_id: string;
  version: string;
  service_version_id?: string;
  note?: string;
  rollback_note?: string;
  owner?: string;
}

/** What a release would do: the answer of a dry run. */
export interface Plan {
  dry_run: true;
  operation: string;
  groups: GroupPlan[];
  versions: VersionSaid[];
  warnings: string[];
  leaving?: VersionSaid;
  expected_time_to_live?: { p50_ms: number; p99_ms: number };
  approval_rule?: string;
  /** Of a ring: the instances that would serve it first. */
  members?: string[];
}

/** What a release did, or that it waits for an approval. */
export interface Released {
  revisions?: Record<string, number>;
  warnings?: string[];
  versions?: VersionSaid[];
  approval?: { id: string };
}

export interface HistoryEntry {
  id: string;
  action: string;
  operator: string;
  note: string;
  version?: string;
  service_version_id?: string;
  revision: number;
  publish_time: number;
  source_gateway_group_id?: string;
}

/** A version that a gateway group ran once, or runs now. */
export interface VersionHere {
  id: string;
  version: string;
  note: string;
  rollback_note: string;
  owner: string;
  created_by: string;
  created_at: number;
  running: boolean;
  operator: string;
  publish_time: number;
}

export interface ServicesMatrix {
  gateway_groups: { id: string; name: string; revision: number }[];
  services: {
    service_id: string;
    name: string;
    same: boolean;
    groups: Record<string, { status: number; version?: string; service_version_id?: string; published_at?: number }>;
  }[];
}

/** A user's own Prometheus; headers come with `***` in place of their values. */
export interface Prometheus {
  url: string;
  headers: Record<string, string>;
  ca: string;
}
