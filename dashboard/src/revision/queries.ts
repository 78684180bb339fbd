/** What the pages of revisions ask, and going back to one. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Change, Conflicts, Listed, Plan, Released } from "@/api/shapes";

export const PAGE_SIZE = 50;

interface Touch {
  kind: string;
  id: string;
  parent: string;
  operation: "create" | "update" | "delete";
}

/** `touched` are the first of what it changed, all of it on its own page. The oldest that is kept has neither. */
export interface Revision {
  revision: number;
  at: number;
  operator: string;
  action: string;
  note: string;
  request_id: string;
  counts?: { create: number; update: number; delete: number };
  touched?: Touch[];
}

export interface OneRevision extends Revision {
  changes?: Change[];
  text?: string[];
}

export function revisionsQuery(groupId: string, page: number) {
  return queryOptions({
    queryKey: ["group", groupId, "revisions", page],
    placeholderData: keepPreviousData,
    queryFn: () => {
      const params = { path: { gateway_group_id: groupId }, query: { page, page_size: PAGE_SIZE } };
      return shaped<Listed<Revision>>(api.GET("/api/gateway_groups/{gateway_group_id}/revisions", { params }));
    },
  });
}

export function revisionQuery(groupId: string, revision: number) {
  return queryOptions({
    queryKey: ["group", groupId, "revision", revision],
    staleTime: Infinity,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId, revision: String(revision) } };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/revisions/{revision}", { params });
      return (await shaped<{ value: OneRevision }>(call)).value;
    },
  });
}

interface Restored {
  revision: number;
  changes: Change[];
  text: string[];
  conflicts: Conflicts;
  approval_rule?: string;
  approval?: { id: string };
}

async function restore(groupId: string, revision: number, note: string, dry: boolean): Promise<Restored> {
  const params = { path: { gateway_group_id: groupId, revision: String(revision) } };
  const call = api.POST("/api/gateway_groups/{gateway_group_id}/revisions/{revision}/restore", {
    params,
    body: { note, dry_run: dry },
  });
  return (await shaped<{ value: Restored }>(call)).value;
}

/** What going back would change, told as every release is. */
export async function restorePlan(groupId: string, revision: number, note: string): Promise<Plan> {
  const { changes, text, conflicts, approval_rule: rule } = await restore(groupId, revision, note, true);
  return {
    dry_run: true,
    operation: "restore",
    groups: [{ gateway_group_id: groupId, changes, text, conflicts }],
    versions: [],
    warnings: [],
    ...(rule ? { approval_rule: rule } : {}),
  };
}

export async function restoreNow(groupId: string, revision: number, note: string): Promise<Released> {
  const done = await restore(groupId, revision, note, false);
  return done.approval ? { approval: done.approval } : { revisions: { [groupId]: done.revision } };
}
