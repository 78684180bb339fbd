/** The releases of the API: each asked first what it would do, then done. */
import { api, shaped, type Written, written } from "@/api/client";
import type { Plan, Released } from "@/api/shapes";

export interface Sync {
  groupIds: string[];
  version: string;
  hosts: string[];
  nodes: { host: string; port?: number | undefined; weight: number }[] | null;
  note: string;
  rollbackNote: string;
  owner: string;
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
        ...(wanted.nodes ? { upstream: { nodes: wanted.nodes } } : {}),
        note: wanted.note,
        rollback_note: wanted.rollbackNote,
        owner: wanted.owner,
        dry_run: dry,
      },
    }),
  );
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

/** Switches a service on or off, or changes what else is the group's own: a JSON Patch, or fields to merge. */
export function patchRuntime(
  { groupId, serviceId }: Where,
  patch: PatchStep[] | Record<string, unknown>,
): Promise<Written<unknown>> {
  return written<unknown>(
    api.PATCH("/api/gateway_groups/{gateway_group_id}/services/{id}/runtime_configuration", {
      params: { path: { gateway_group_id: groupId, id: serviceId } },
      body: patch,
    }),
  );
}
