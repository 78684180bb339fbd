/** The releases of the API: each asked first what it would do, then done. */
import { api, shaped, type Written, written } from "@/api/client";
import type { Json } from "@/api/resources";
import type { Change, Conflicts, Plan, Released } from "@/api/shapes";
import type { Share, Trial } from "@/ring/queries";
import type { Node, UpstreamBody } from "@/service/shapes";

/** What is said of a version for who comes later. */
export interface Said {
  note: string;
  rollbackNote: string;
  owner: string;
}

export const NOTHING_SAID: Said = { note: "", rollbackNote: "", owner: "" };

/** A service as a registry knows it; `group` only where the registry has groups. */
export interface InRegistry {
  registryId: string;
  namespace: string;
  group: string;
  name: string;
}

export interface Sync extends Said {
  groupIds: string[];
  version: string;
  hosts: string[];
  /** Where the service is in those groups; null: as it is there already. */
  where: { nodes: Node[] } | InRegistry | null;
  /** Who serves it first; null: every instance at once. */
  share: Share | null;
}

export interface Publish extends Said {
  serviceId: string;
  groupIds: string[];
  /** The version's number; with `versionId` it is there already. */
  version: string;
  versionId: string | null;
  hosts: string[];
  /** Null: as the groups have it, or as the template says. */
  upstream: UpstreamBody | null;
  /** Who serves it first; null: every instance at once. */
  share: Share | null;
}

export interface Rollback {
  version: string;
  note: string;
}

/** A service of a gateway group. */
export interface Where {
  groupId: string;
  serviceId: string;
}

/** What a dry run answers, or what was done. */
async function answered<T extends Plan | Released>(call: Promise<{ data?: unknown; response: Response }>): Promise<T> {
  return (await shaped<{ value: T }>(call)).value;
}

export function sync<T extends Plan | Released>({ groupId, serviceId }: Where, wanted: Sync, dry: boolean): Promise<T> {
  return answered<T>(
    api.POST("/api/gateway_groups/{gateway_group_id}/services/{id}/sync", {
      params: { path: { gateway_group_id: groupId, id: serviceId } },
      body: {
        gateway_group_ids: wanted.groupIds,
        ...(wanted.version ? { version: wanted.version } : {}),
        ...(wanted.hosts.length > 0 ? { hosts: wanted.hosts } : {}),
        ...(wanted.where ? { upstream: placeOf(wanted.where) } : {}),
        ...saidOf(wanted),
        dry_run: dry,
      },
    }),
  );
}

/** A sync that begins as a ring: what its only gateway group tries. */
export function trialOf(serviceId: string, version: string, wanted: Sync, share: Share): Trial {
  const { hosts, where } = wanted;
  const item = {
    service_id: serviceId,
    version,
    ...(hosts.length > 0 ? { hosts } : {}),
    ...(where ? { upstream: upstreamOf(where) } : {}),
  };
  return { services: [item], share, ...saidOf(wanted) };
}

/** The same place as the upstream of a service has it. */
function upstreamOf(where: NonNullable<Sync["where"]>) {
  if ("nodes" in where) return placeOf(where);
  const { registryId, namespace, group, name } = where;
  return { service_name: [registryId, namespace, group, name].filter(Boolean).join("/"), discovery_args: {} };
}

function placeOf(where: NonNullable<Sync["where"]>) {
  if ("nodes" in where) return { nodes: where.nodes.map((node) => ({ ...node })) };
  const { registryId, namespace, group, name } = where;
  return { service_registry_id: registryId, namespace, group, service_name: name };
}

function saidOf({ note, rollbackNote, owner }: Said) {
  return { note, rollback_note: rollbackNote, owner };
}

/** Brings a version of a service template to gateway groups; without `versionId` a new one of what it is now. */
export function publish<T extends Plan | Released>(wanted: Publish, dry: boolean): Promise<T> {
  const body = { ...publicationOf(wanted), gateway_group_ids: wanted.groupIds, dry_run: dry };
  return answered<T>(api.POST("/api/services/publish", { body }));
}

/** A publication that begins as a ring: what its only gateway group tries. */
export function trialOfPublication(wanted: Publish, share: Share): Trial {
  return { ...publicationOf(wanted), share };
}

function publicationOf(wanted: Publish) {
  const { serviceId, version, versionId, hosts, upstream } = wanted;
  const item = {
    service_id: serviceId,
    version,
    ...(versionId === null ? {} : { service_version_id: versionId }),
    ...(hosts.length > 0 ? { hosts } : {}),
    ...(upstream ? { upstream } : {}),
  };
  return { services: [item], create_new_version: versionId === null, ...saidOf(wanted) };
}

/** A gateway group's configuration, and how it is brought there. */
export interface Apply {
  groupId: string;
  config: Json;
  prune: boolean;
  note: string;
}

interface Applied {
  revision: number;
  changes: Change[];
  text: string[];
  conflicts: Conflicts;
  approval_rule?: string;
}

/** What applying would change. */
export async function previewApply(wanted: Apply): Promise<Plan> {
  const { changes, text, conflicts, approval_rule } = await apply<Applied>(wanted, true);
  const group = { gateway_group_id: wanted.groupId, changes, text, conflicts };
  return { dry_run: true, operation: "apply", groups: [group], versions: [], warnings: [], approval_rule };
}

/** Has a gateway group become what a configuration says, in one step. */
export async function applyConfig(wanted: Apply): Promise<Released> {
  const done = await apply<Applied | Released>(wanted, false);
  return "revision" in done ? { revisions: { [wanted.groupId]: done.revision } } : done;
}

function apply<T>({ groupId, config, prune, note }: Apply, dry: boolean): Promise<T> {
  const call = api.PUT("/api/gateway_groups/{gateway_group_id}/config", {
    params: { path: { gateway_group_id: groupId }, query: { dry_run: dry, prune, note } },
    body: config as Record<string, never>,
  });
  return shaped<{ value: T }>(call).then(({ value }) => value);
}

export function rollback<T extends Plan | Released>(
  { groupId, serviceId }: Where,
  wanted: Rollback,
  dry: boolean,
): Promise<T> {
  return answered<T>(
    api.POST("/api/gateway_groups/{gateway_group_id}/services/{id}/rollback", {
      params: { path: { gateway_group_id: groupId, id: serviceId } },
      body: { version: wanted.version, note: wanted.note, dry_run: dry },
    }),
  );
}

export function unpublish<T extends Plan | Released>(
  { groupId, serviceId }: Where,
  note: string,
  dry: boolean,
): Promise<T> {
  return answered<T>(
    api.DELETE("/api/gateway_groups/{gateway_group_id}/services/{id}", {
      params: { path: { gateway_group_id: groupId, id: serviceId }, query: { dry_run: dry, note } },
    }),
  );
}

export interface PatchStep {
  op: "add" | "remove" | "replace";
  path: string;
  value?: unknown;
}

/**
 * Switches a service on or off, or changes what else is the group's own: a JSON Patch, or fields to merge. With an ETag,
 * only if it still is what was read (ApiError 412 otherwise).
 */
export function patchRuntime(
  { groupId, serviceId }: Where,
  patch: PatchStep[] | Record<string, unknown>,
  etag?: string | null,
): Promise<Written<unknown>> {
  return written<unknown>(
    api.PATCH("/api/gateway_groups/{gateway_group_id}/services/{id}/runtime_configuration", {
      params: { path: { gateway_group_id: groupId, id: serviceId } },
      headers: etag ? { "If-Match": etag } : {},
      body: patch,
    }),
  );
}
