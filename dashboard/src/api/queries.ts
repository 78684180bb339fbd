/** The queries that several pages ask; a page's own stand beside it. Keys begin with what a change makes old. */
import { queryOptions } from "@tanstack/react-query";

import { hasSession } from "@/session/mark";

import { api, ApiError, many, one, shaped, tagged } from "./client";
import type { Group, Instance, Listed, Me, Prometheus, PublishedService, ServicesMatrix } from "./shapes";

/** How often lists of what lives are asked for again, in milliseconds. */
export const LIVE = 5000;

export const meQuery = queryOptions({
  queryKey: ["me"],
  staleTime: 60_000,
  retry: false,
  queryFn: async (): Promise<Me | null> => {
    if (!hasSession()) return null;
    try {
      return (await shaped<{ value: Me }>(api.GET("/api/me"))).value;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
});

export const versionQuery = queryOptions({
  queryKey: ["version"],
  staleTime: Infinity,
  queryFn: () => shaped<{ value: string; gatefleet_version: string }>(api.GET("/api/version")),
});

export const groupsQuery = queryOptions({
  queryKey: ["groups"],
  queryFn: async () => (await shaped<Listed<Group>>(api.GET("/api/gateway_groups"))).list.sort(byName),
});

export function groupQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId],
    queryFn: () =>
      tagged<Group>(
        api.GET("/api/gateway_groups/{gateway_group_id}", { params: { path: { gateway_group_id: groupId } } }),
      ),
  });
}

export function instancesQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "instances"],
    refetchInterval: LIVE,
    queryFn: async () =>
      (
        await shaped<Listed<Instance>>(
          api.GET("/api/gateway_groups/{gateway_group_id}/instances", {
            params: { path: { gateway_group_id: groupId } },
          }),
        )
      ).list,
  });
}

/** The instances of all groups the user may read. */
export const allInstancesQuery = queryOptions({
  queryKey: ["instances"],
  refetchInterval: LIVE,
  queryFn: async () => (await shaped<Listed<Instance>>(api.GET("/api/instances"))).list,
});

/** Which service runs in which version where. */
export const matrixQuery = queryOptions({
  queryKey: ["matrix"],
  refetchInterval: 4 * LIVE,
  queryFn: async () => (await shaped<{ value: ServicesMatrix }>(api.GET("/api/compare/services"))).value,
});

/** Where the user's own Prometheus is; without an address when none is set. */
export const prometheusQuery = queryOptions({
  queryKey: ["prometheus"],
  staleTime: 30_000,
  refetchOnWindowFocus: false,
  queryFn: async () => (await shaped<{ value: Partial<Prometheus> }>(api.GET("/api/system_settings/prometheus"))).value,
});

export function servicesQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "services"],
    queryFn: async () =>
      (
        await shaped<Listed<PublishedService>>(
          api.GET("/api/gateway_groups/{gateway_group_id}/services", {
            params: { path: { gateway_group_id: groupId } },
          }),
        )
      ).list.sort(byName),
  });
}

export function serviceQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "services", serviceId],
    queryFn: async () =>
      (
        await shaped<{ value: PublishedService }>(
          api.GET("/api/gateway_groups/{gateway_group_id}/services/{id}", {
            params: { path: { gateway_group_id: groupId, id: serviceId } },
          }),
        )
      ).value,
  });
}

export function routesQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "routes", serviceId],
    // thousands are not asked for anew at every look; a change of one's own makes them old at once
    staleTime: 15_000,
    queryFn: async () =>
      (
        await many(
          api.GET("/apisix/admin/routes", {
            params: { query: { gateway_group_id: groupId, service_id: serviceId } },
          }),
        )
      ).list,
  });
}

export function streamRoutesQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "stream_routes", serviceId],
    queryFn: async () =>
      (
        await many(
          api.GET("/apisix/admin/stream_routes", {
            params: { query: { gateway_group_id: groupId, service_id: serviceId } },
          }),
        )
      ).list,
  });
}

/** The newest receipts of a group: has every change reached every instance? */
export function receiptsQuery(groupId: string, size = 10) {
  return queryOptions({
    queryKey: ["group", groupId, "receipts", size],
    refetchInterval: LIVE,
    queryFn: async () =>
      (
        await many(
          api.GET("/api/gateway_groups/{gateway_group_id}/receipts", {
            params: { path: { gateway_group_id: groupId }, query: { page_size: size } },
          }),
        )
      ).list,
  });
}

/** One revision's receipt, asked for again and again until every instance has told what became of it. */
export function receiptQuery(groupId: string, revision: number) {
  return queryOptions({
    queryKey: ["group", groupId, "receipt", revision],
    refetchInterval: (query) => (query.state.data?.converged ? false : 300),
    queryFn: () =>
      one(
        api.GET("/api/gateway_groups/{gateway_group_id}/revisions/{revision}/receipt", {
          params: { path: { gateway_group_id: groupId, revision: String(revision) } },
        }),
      ),
  });
}

export type Receipt = Awaited<ReturnType<NonNullable<ReturnType<typeof receiptQuery>["queryFn"]>>>;

function byName<T extends { name: string }>(a: T, b: T): number {
  return a.name.localeCompare(b.name);
}
