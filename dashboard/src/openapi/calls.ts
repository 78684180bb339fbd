/** OpenAPI documents in and out. */
import { stringify } from "yaml";

import { api, shaped } from "@/api/client";
import type { Json } from "@/api/resources";
import { save } from "@/ui/save";

/** A service with its routes, as a document becomes it; `warnings` is what has no meaning here. */
export interface Preview {
  content: Json & { name: string; routes: Json[] };
  warnings: string[];
}

interface Answer {
  value: Preview["content"];
  warning_msg?: string;
}

/** What a document becomes; nothing is stored. */
export async function convert(raw: string): Promise<Preview> {
  const { value, warning_msg: said } = await shaped<Answer>(api.PUT("/api/openapi/convert", { body: { raw_openapi: raw } }));
  return { content: value, warnings: said ? said.split("; ") : [] };
}

/** Makes a service template of a preview; its id. */
export async function importTemplate(content: Json): Promise<string> {
  const call = api.POST("/api/import/services/template", { body: content as Record<string, never> });
  return (await shaped<{ value: { id: string } }>(call)).value.id;
}

/** Saves service templates as one OpenAPI document; without ids all of them. */
export async function exportOpenApi(name: string, ids?: string[]): Promise<void> {
  const query = ids ? { service_ids: ids.join(",") } : { scope: "all" as const };
  const { value } = await shaped<{ value: Json }>(api.GET("/api/export/services", { params: { query } }));
  save(`${name}.openapi.yaml`, stringify(value), "application/yaml");
}
