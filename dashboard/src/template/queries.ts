/** What the pages of service templates ask. */
import { queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Change, Listed, Route } from "@/api/shapes";

import type { Template, TemplateVersion } from "./shapes";

export const templatesQuery = queryOptions({
  queryKey: ["templates"],
  queryFn: async () =>
    (await shaped<Listed<Template>>(api.GET("/api/services/template"))).list.sort((a, b) => a.name.localeCompare(b.name)),
});

export function templateQuery(id: string) {
  return queryOptions({
    queryKey: ["templates", id],
    queryFn: async () =>
      (await shaped<{ value: Template }>(api.GET("/api/services/template/{id}", { params: { path: { id } } }))).value,
  });
}

/** Of a route or a stream route. */
export type TemplateRoute = Pick<Route, "id" | "name" | "methods" | "plugins"> & {
  paths?: string[];
  server_port?: number;
  sni?: string;
};

export function templateRoutesQuery(id: string, kind: "routes" | "stream_routes") {
  const path = kind === "routes" ? "/api/routes/template" : "/api/stream_routes/template";
  return queryOptions({
    queryKey: ["templates", id, kind],
    queryFn: async () => {
      const params = { query: { service_id: id } as object };
      return (await shaped<Listed<TemplateRoute>>(api.GET(path, { params }))).list;
    },
  });
}

/** Every version of a template, newest first. */
export function templateVersionsQuery(id: string) {
  return queryOptions({
    queryKey: ["templates", id, "versions"],
    queryFn: async () =>
      (await shaped<Listed<TemplateVersion>>(api.GET("/api/services/{id}/versions", { params: { path: { id } } }))).list,
  });
}

/** What one version changes of another. */
export function versionDiffQuery(id: string, version: string, other: string) {
  return queryOptions({
    queryKey: ["templates", id, "diff", version, other],
    staleTime: Infinity,
    queryFn: async () => {
      const params = { path: { id, version, other } };
      const call = api.GET("/api/services/{id}/versions/{version}/diff/{other}", { params });
      return (await shaped<{ value: { changes: Change[]; text: string[] } }>(call)).value;
    },
  });
}
