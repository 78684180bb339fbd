/** What is asked of one service registry. */
import { queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import { LIVE } from "@/api/queries";
import type { Listed } from "@/api/shapes";

export type RegistryStatus = "healthy" | "connecting" | "lost_connection";

export interface SeenRegistry {
  id: string;
  name: string;
  type: string;
  status: RegistryStatus;
  associated_services_count: number;
  last_connect_time?: number;
  reason?: string;
}

/** How one instance sees it. */
export interface Sight {
  instance_id: string;
  hostname: string;
  status: RegistryStatus;
  last_connect_time?: number;
  reason?: string;
}

export interface ConnectedService {
  service_id: string;
  name: string;
}

export function registryQuery(groupId: string, id: string) {
  return queryOptions({
    queryKey: ["group", groupId, "registry", id],
    refetchInterval: LIVE,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId, id } };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/service_registries/{id}", { params });
      return (await shaped<{ value: SeenRegistry }>(call)).value;
    },
  });
}

export function sightsQuery(groupId: string, id: string) {
  return queryOptions({
    queryKey: ["group", groupId, "registry", id, "instances"],
    refetchInterval: LIVE,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId, id } };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/service_registries/{id}/instances", { params });
      return (await shaped<Listed<Sight>>(call)).list;
    },
  });
}

export function connectedQuery(groupId: string, id: string) {
  return queryOptions({
    queryKey: ["group", groupId, "registry", id, "services"],
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId, id } };
      const path = "/api/gateway_groups/{gateway_group_id}/service_registries/{id}/connected_services";
      return (await shaped<Listed<ConnectedService>>(api.GET(path, { params }))).list;
    },
  });
}
