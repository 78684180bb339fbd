/** What the pages of one service ask. */
import { queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Json } from "@/api/resources";
import type { HistoryEntry, Listed, VersionHere } from "@/api/shapes";

/** With the tag that says which state of it was read. */
export interface ReadRuntime {
  runtime: Json;
  etag: string | null;
}

export function runtimeQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "runtime", serviceId],
    queryFn: async (): Promise<ReadRuntime> => {
      const { data, response } = await api.GET("/api/gateway_groups/{gateway_group_id}/services/{id}/runtime_configuration", {
        params: { path: { gateway_group_id: groupId, id: serviceId } },
      });
      const { value } = data as { value: Json };
      return { runtime: value, etag: response.headers.get("etag") };
    },
  });
}

export function historyQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "history", serviceId],
    queryFn: async () =>
      (
        await shaped<Listed<HistoryEntry>>(
          api.GET("/api/gateway_groups/{gateway_group_id}/services/{id}/history", {
            params: { path: { gateway_group_id: groupId, id: serviceId } },
          }),
        )
      ).list,
  });
}

/** What the group can go back to. */
export function versionsQuery(groupId: string, serviceId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "versions", serviceId],
    queryFn: async () =>
      (
        await shaped<Listed<VersionHere>>(
          api.GET("/api/gateway_groups/{gateway_group_id}/services/{id}/versions", {
            params: { path: { gateway_group_id: groupId, id: serviceId } },
          }),
        )
      ).list,
  });
}
