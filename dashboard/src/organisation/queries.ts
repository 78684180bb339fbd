/** What the organisation's pages ask, and the shapes of answers the OpenAPI document only calls objects. */
import { queryOptions } from "@tanstack/react-query";

import { api, many, one, shaped } from "@/api/client";
import type { Listed } from "@/api/shapes";

import { type Difference, differenceOf } from "./difference";
import type { AuditSearch } from "./search";

export const PAGE_SIZE = 50;
/** The most revisions the API lists at once, and how many such pages are looked through for one. */
const REVISIONS = 1000;
const REVISION_PAGES = 10;
const DAY = 86_400;

export interface User {
  id: string;
  username: string;
  roles: string[];
  /** Permission policies beyond which the roles allow nothing; none: no boundary. */
  boundary: string[];
  must_change_password: boolean;
  created_at: number;
}

export interface Token {
  id: string;
  name: string;
  prefix: string;
  expires_at: number;
  created_at: number;
  last_used_at?: number;
  /** Only these; without them, all that its user may use or do. */
  gateway_groups?: string[];
  actions?: string[];
}

export interface AuditEntry {
  id: string;
  request_id: string;
  event_time: number;
  event_type: string;
  operator: { id: string; username: string };
  source: string;
  token_name?: string;
  gateway_group_id?: string;
  resource_kind?: string;
  resource_id?: string;
  ip_address?: string;
  error_message?: string;
  http_request: { method: string; uri: string; user_agent?: string; body?: unknown };
  http_response: { status_code: number; body?: unknown };
}

interface Revision {
  revision: number;
  at: number;
  request_id: string;
}

export const usersQuery = queryOptions({
  queryKey: ["users"],
  queryFn: async () => (await shaped<Listed<User>>(api.GET("/api/users"))).list,
});

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: async () => (await shaped<Listed<Token>>(api.GET("/api/tokens"))).list,
});

export const eventTypesQuery = queryOptions({
  queryKey: ["event-types"],
  queryFn: async () => (await many(api.GET("/api/audit_logs/event_types"))).list.flatMap(({ key }) => key ?? []),
});

/** The filters as the API wants them; days are those of who looks, and the last one counts as a whole. */
export function filters({ what, who, group, about, from, until }: AuditSearch): Record<string, string> {
  const wanted = {
    event_type: what,
    operator_id: who,
    gateway_group_id: group,
    resource_id: about,
    start_at: from && String(midnight(from)),
    end_at: until && String(midnight(until) + DAY - 1),
  };
  return Object.fromEntries(Object.entries(wanted).filter((pair): pair is [string, string] => Boolean(pair[1])));
}

function midnight(day: string): number {
  return new Date(`${day}T00:00:00`).getTime() / 1000;
}

export function auditQuery(search: AuditSearch) {
  const query = { ...filters(search), page: search.page ?? 1, page_size: PAGE_SIZE };
  return queryOptions({
    queryKey: ["audit", query],
    queryFn: () => shaped<Listed<AuditEntry>>(api.GET("/api/audit_logs", { params: { query } })),
  });
}

/** What a change made different in its gateway group; null if no revision that is kept is of its request. */
export function differenceQuery(groupId: string, requestId: string, at: number) {
  return queryOptions({
    queryKey: ["group", groupId, "difference", requestId],
    staleTime: Infinity,
    queryFn: async (): Promise<Difference | null> => {
      const revision = await revisionOf(groupId, requestId, at);
      if (revision === undefined) return null;
      const path = { gateway_group_id: groupId, revision: String(revision) };
      const found = await one(api.GET("/api/gateway_groups/{gateway_group_id}/revisions/{revision}", { params: { path } }));
      const { changes, text } = found as Partial<Difference>;
      return changes && text ? { changes, text } : null;
    },
  });
}

async function revisionOf(groupId: string, requestId: string, at: number): Promise<number | undefined> {
  for (let page = 1; page <= REVISION_PAGES; page += 1) {
    const params = { path: { gateway_group_id: groupId }, query: { page, page_size: REVISIONS } };
    const call = api.GET("/api/gateway_groups/{gateway_group_id}/revisions", { params });
    const { list } = await shaped<Listed<Revision>>(call);
    const found = list.find((each) => each.request_id === requestId);
    const last = list.at(-1);
    if (found) return found.revision;
    if (!last || list.length < REVISIONS || last.at < at - 1) return undefined;
  }
  return undefined;
}

/** How many entries about a thing are looked through for what it was before. */
const BEFORE = 50;

/** What a change made different outside gateway groups: between this answer and the one before it about the same thing. */
export function ownDifferenceQuery(entry: AuditEntry) {
  const { id, event_time, resource_kind: kind = "", resource_id = "" } = entry;
  return queryOptions({
    queryKey: ["difference", id],
    staleTime: Infinity,
    queryFn: async (): Promise<Difference> => {
      const query = { resource_id, end_at: event_time + 1, page: 1, page_size: BEFORE };
      const { list } = await shaped<Listed<AuditEntry>>(api.GET("/api/audit_logs", { params: { query } }));
      const older = list.slice(list.findIndex((each) => each.id === id) + 1);
      const before = older.find((each) => each.resource_kind === kind && answered(each) !== undefined);
      const gone = entry.http_request.method === "DELETE";
      return differenceOf(kind, resource_id, before && answered(before), gone ? undefined : answered(entry));
    },
  });
}

/** What a change answered, if it was done. */
export function answered({ http_response: { status_code, body } }: AuditEntry): unknown {
  return status_code < 400 && typeof body === "object" && body !== null ? body : undefined;
}
