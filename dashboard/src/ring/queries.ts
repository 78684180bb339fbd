/** What the pages of rings ask, and how rings start and end. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, ApiError, shaped, type Written, written } from "@/api/client";
import { LIVE } from "@/api/queries";
import type { Change, Labels, Listed, Plan, Released } from "@/api/shapes";

export const PAGE_SIZE = 20;

/** One of the three. */
export interface Share {
  percent?: number;
  count?: number;
  labels?: Labels;
}

/** What is left out has the API's default: a window of 120 s, 20 requests, an absolute limit. */
export interface Rule {
  metric: "5xx_ratio" | "latency_p99_ms";
  threshold: number;
  window_seconds?: number;
  min_requests?: number;
  compare?: "absolute" | "rest";
  promote_after_seconds?: number | undefined;
}

export interface Ring {
  id: string;
  gateway_group_id: string;
  state: "running" | "promoted" | "rolled_back";
  revision: number;
  services: { service_id: string; name: string; version: string; service_version_id: string }[];
  share: Share;
  members: string[];
  rule: Rule | null;
  note: string;
  started_by: string;
  started_at: number;
  ended_by?: string;
  ended_at?: number;
  reason?: string;
}

export interface Figures {
  requests: number;
  errors: number;
  error_ratio: number;
  latency_p50_ms: number | null;
  latency_p99_ms: number | null;
}

/** Both sides between the point before and `at`, in Unix seconds. */
export interface Point {
  at: number;
  ring: Figures;
  rest: Figures;
}

export interface Comparison {
  window_seconds: number;
  ring: Figures;
  rest: Figures;
  decision?: { action: string; reason: string };
  series: Point[];
}

export interface WatchedRing extends Ring {
  changes: Change[];
  text: string[];
  comparison: Comparison;
}

/** What somebody wants tried. `hosts` and `upstream` are for a gateway group that does not have the service yet. */
export interface Trial {
  services: {
    service_id: string;
    version: string;
    service_version_id?: string;
    hosts?: string[];
    upstream?: Record<string, unknown>;
  }[];
  /** The version is made of the service template as it is now. */
  create_new_version?: boolean;
  share: Share;
  rule?: Rule;
  note: string;
  rollback_note?: string;
  owner?: string;
}

export function ringsQuery(groupId: string, page = 1) {
  return queryOptions({
    queryKey: ["group", groupId, "rings", page],
    refetchInterval: 4 * LIVE,
    placeholderData: keepPreviousData,
    queryFn: () => {
      const params = { path: { gateway_group_id: groupId }, query: { page, page_size: PAGE_SIZE } };
      return shaped<Listed<Ring>>(api.GET("/api/gateway_groups/{gateway_group_id}/rings", { params }));
    },
  });
}

/** A ring with its traffic, of one of its services or of all; asked for again while it runs. */
export function ringQuery(groupId: string, ringId: string, serviceId?: string) {
  return queryOptions({
    queryKey: ["group", groupId, "ring", ringId, serviceId],
    refetchInterval: (query) => (query.state.data?.state === "running" ? LIVE : false),
    placeholderData: keepPreviousData,
    queryFn: async () => {
      const params = {
        path: { gateway_group_id: groupId, id: ringId },
        query: serviceId === undefined ? {} : { service_id: serviceId },
      };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/rings/{id}", { params });
      return (await shaped<{ value: WatchedRing }>(call)).value;
    },
  });
}

/** The names of a service's versions, newest first; none of one that never was released. */
export function versionNamesQuery(serviceId: string) {
  return queryOptions({
    queryKey: ["versions", serviceId],
    enabled: serviceId !== "",
    queryFn: async () => {
      try {
        const call = api.GET("/api/services/{id}/versions", { params: { path: { id: serviceId } } });
        return (await shaped<Listed<{ version: string }>>(call)).list.map(({ version }) => version);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return [];
        throw error;
      }
    },
  });
}

/** What its members would serve otherwise, and who they would be. */
export async function trialPlan(groupId: string, trial: Trial): Promise<Plan> {
  return (await shaped<{ value: Plan }>(post(groupId, { ...trial, dry_run: true }))).value;
}

/** Starts it, or asks for the approval that it needs. */
export async function startTrial(groupId: string, trial: Trial): Promise<Ring | Required<Pick<Released, "approval">>> {
  return (await shaped<{ value: Ring | Required<Pick<Released, "approval">> }>(post(groupId, trial))).value;
}

function post(groupId: string, body: Trial & { dry_run?: boolean }) {
  const params = { path: { gateway_group_id: groupId } };
  return api.POST("/api/gateway_groups/{gateway_group_id}/rings", { params, body });
}

export type Ending = "promote" | "rollback";

export function endRing({ gateway_group_id: groupId, id }: Ring, how: Ending, note: string): Promise<Written<Ring>> {
  const params = { path: { gateway_group_id: groupId, id } };
  return written<Ring>(
    how === "promote"
      ? api.POST("/api/gateway_groups/{gateway_group_id}/rings/{id}/promote", { params, body: { note } })
      : api.POST("/api/gateway_groups/{gateway_group_id}/rings/{id}/rollback", { params, body: { note } }),
  );
}

/** "shop 1.1.0, cart 2.0.0" */
export function saidServices(ring: Ring): string {
  return ring.services.map(({ name, version }) => `${name} ${version}`).join(", ");
}
