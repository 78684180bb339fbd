/** What the pages of approvals ask: requests, their decision, and the rules that demand them. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import { LIVE } from "@/api/queries";
import type { Change, Conflicts, Labels, Listed, Plan } from "@/api/shapes";
import type { Ring } from "@/ring/queries";

import type { ApprovalState } from "./search";

export const PAGE_SIZE = 50;
export const OPERATIONS = ["publish", "sync", "rollback", "unpublish", "apply", "restore", "ring"] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Approval {
  id: string;
  rule_id: string;
  state: Exclude<ApprovalState, "all">;
  operation: Operation;
  gateway_group_ids: string[];
  services: string[];
  note: string;
  requested_by: string;
  created_at: number;
  expires_at: number;
  decided_by?: string;
  decision_note?: string;
  decided_at?: number;
}

/** What orders about a whole gateway group tell of themselves. */
interface Whole {
  changes: Change[];
  text: string[];
  conflicts: Conflicts;
}

/** While it waits: what it would do now, or why it cannot be done any more. */
export interface OneApproval extends Approval {
  preview?: Plan | Whole;
  problem?: string;
}

/** What approving it did: revisions by gateway group, one revision of its only group, or a ring. */
export interface Decided {
  approval: Approval;
  revisions?: Record<string, number>;
  revision?: number;
  ring?: Ring;
}

export interface Rule {
  id: string;
  name: string;
  labels: Labels;
  operations: Operation[];
  expires_after: number;
  created_at: number;
  updated_at: number;
}

export type WantedRule = Pick<Rule, "name" | "labels" | "operations" | "expires_after">;

export function approvalsQuery(state: ApprovalState, page: number) {
  return queryOptions({
    queryKey: ["approvals", state, page],
    refetchInterval: 2 * LIVE,
    placeholderData: keepPreviousData,
    queryFn: () => {
      const query = { page, page_size: PAGE_SIZE, ...(state === "all" ? {} : { state }) };
      return shaped<Listed<Approval>>(api.GET("/api/approvals", { params: { query } }));
    },
  });
}

export function approvalQuery(id: string) {
  return queryOptions({
    queryKey: ["approval", id],
    queryFn: async () =>
      (await shaped<{ value: OneApproval }>(api.GET("/api/approvals/{id}", { params: { path: { id } } }))).value,
  });
}

/** What it would change, told as every release is. */
export function planOf({ preview, operation, gateway_group_ids: ids }: OneApproval): Plan | undefined {
  if (preview === undefined || "groups" in preview) return preview;
  const { changes, text, conflicts } = preview;
  const groups = ids.map((id) => ({ gateway_group_id: id, changes, text, conflicts }));
  return { dry_run: true, operation, groups, versions: [], warnings: [] };
}

export async function decide(id: string, how: "approve" | "reject", note: string): Promise<Decided> {
  const options = { params: { path: { id } }, body: { note } };
  const call =
    how === "approve"
      ? api.POST("/api/approvals/{id}/approve", options)
      : api.POST("/api/approvals/{id}/reject", options);
  return (await shaped<{ value: Decided }>(call)).value;
}

/** The revisions that a decision made, by gateway group. */
export function revisionsOf({ approval, revisions, revision, ring }: Decided): [string, number][] {
  if (revisions) return Object.entries(revisions);
  const made = revision ?? ring?.revision;
  return made === undefined ? [] : approval.gateway_group_ids.map((id) => [id, made]);
}

export const rulesQuery = queryOptions({
  queryKey: ["approval-rules"],
  queryFn: async () => (await shaped<Listed<Rule>>(api.GET("/api/approval_rules"))).list,
});

/** Changes the rule with this id, or makes a new one. */
export function saveRule(id: string | undefined, body: WantedRule) {
  return id === undefined
    ? api.POST("/api/approval_rules", { body })
    : api.PUT("/api/approval_rules/{id}", { params: { path: { id } }, body });
}
