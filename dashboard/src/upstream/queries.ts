/** How the nodes of upstreams are, as the instances of a gateway group see them. */
import { queryOptions } from "@tanstack/react-query";

import { api, many, shaped } from "@/api/client";
import { LIVE } from "@/api/queries";
import { at, listResources } from "@/api/resources";
import type { Upstream } from "@/api/shapes";

export type NodeStatus = "healthy" | "degraded" | "unhealthy" | "unknown";

/** What one instance says of a node that it does not take for healthy. */
export interface Seen {
  instance_id: string;
  hostname: string;
  status: NodeStatus;
  reason: string;
  since: number;
}

export interface NodeHealth {
  host: string;
  port?: number;
  weight?: number;
  status: NodeStatus;
  unhealthy_ratio: number;
  instances: Seen[];
}

export interface UpstreamHealth {
  id: string;
  name: string;
  checked: boolean;
  nodes: NodeHealth[];
}

export interface ServiceHealth {
  service_id: string;
  reporting_instances: number;
  upstreams: UpstreamHealth[];
}

export type UnwellNode = NodeHealth & { service_id: string; upstream_id: string };

export function healthQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "health", serviceId],
    refetchInterval: LIVE,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId, id: serviceId } };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/services/{id}/healthcheck", { params });
      return (await shaped<{ value: ServiceHealth }>(call)).value;
    },
  });
}

/** The nodes of a group that some instance does not take for healthy; the first hundred, and how many there are. */
export function unwellQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "unwell"],
    refetchInterval: LIVE,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId }, query: { page_size: 100 } };
      const { list, total } = await many(api.GET("/api/gateway_groups/{gateway_group_id}/healthcheck", { params }));
      return { list: list as unknown as UnwellNode[], total };
    },
  });
}

/** The upstreams of a service beside its own. */
export function upstreamsQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "upstreams", serviceId],
    queryFn: () => listResources<Upstream & { id: string }>({ groupId, path: at("services", serviceId, "upstreams") }),
  });
}
