/** What is read of service templates. */
import type { Json } from "@/api/resources";
import type { Labels, PluginConfigs } from "@/api/shapes";

export interface Template {
  id: string;
  name: string;
  desc?: string;
  type?: "http" | "stream";
  labels?: Labels;
  plugins?: PluginConfigs;
  hosts?: string[];
  upstream?: Json;
  last_published?: number;
  published_gateway_groups_count: number;
  updated_at: number;
}

/** A version of a template, with the gateway groups that run it. */
export interface TemplateVersion {
  id: string;
  version: string;
  number: number;
  note: string;
  rollback_note: string;
  owner: string;
  created_by: string;
  created_at: number;
  gateway_groups: { gateway_group_id: string; gateway_group_name: string; published_at: number }[];
}
