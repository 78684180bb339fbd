/** What the API says of the plugins there are. */
import { queryOptions } from "@tanstack/react-query";

import { api, many, shaped } from "@/api/client";
import type { Json } from "@/api/resources";

export interface Plugin {
  name: string;
  summary: string;
  category: string;
  phase: string;
  priority: number;
  /** Whether consumers have credentials for it. */
  authenticates: boolean;
  has_metadata: boolean;
  /** Whether it works on stream routes. */
  streams: boolean;
  examples: { title: string; conf: Json }[];
}

/** Of which of a plugin's configurations: the one on routes, a credential, the metadata, the one on stream routes. */
export type SchemaType = "conf" | "consumer" | "metadata" | "stream";

/** Every plugin, the first to run first. */
export const catalogueQuery = queryOptions({
  queryKey: ["plugins"],
  staleTime: Infinity,
  queryFn: async () => (await many(api.GET("/apisix/admin/plugins"))).list as Plugin[],
});

export function schemaQuery(name: string, type: SchemaType) {
  return queryOptions({
    queryKey: ["plugins", name, type],
    staleTime: Infinity,
    queryFn: async () => {
      const params = { path: { name }, query: type === "conf" ? {} : { schema_type: type } };
      return (await shaped<{ value: Json }>(api.GET("/apisix/admin/plugins/{name}", { params }))).value;
    },
  });
}
