/** One request that an instance sends to itself, and what became of it. */
import { api, shaped } from "@/api/client";
import type { Header } from "@/ui/HeadersInput";

import type { Scheme } from "./search";

export interface Wanted {
  method: string;
  scheme: Scheme;
  host: string;
  path: string;
  headers: Header[];
  body: string;
  /** Empty: any. */
  instance: string;
}

export const OWNERS = ["global_rule", "service", "route", "consumer"] as const;
export const OUTCOMES = ["ran", "answered", "not_reached", "conditional"] as const;

export interface PluginOutcome {
  name: string;
  from: (typeof OWNERS)[number];
  from_id: string;
  outcome: (typeof OUTCOMES)[number];
}

export interface Answered {
  state: "answered";
  response: {
    status: number;
    headers: [name: string, value: string][];
    body: string;
    body_encoding: "text" | "base64";
    truncated: boolean;
  };
  route?: { service_id: string; service_name: string; route_id: string; route_name: string };
  consumer?: string;
  /** The address that answered. */
  upstream?: string;
  /** Why it was answered so, in Envoy's words. */
  details?: string;
  /** Not told when the instance could not see who it was; `reason` says why. */
  answered_by?: { kind: "upstream" | "plugin" | "gateway"; plugin: string };
  plugins: PluginOutcome[];
}

/** Nobody has sent it, or nobody has told what became of it. */
interface Unanswered {
  state: "failed" | "lost";
}

export type Tested = (Answered | Unanswered) & {
  id: string;
  instance_id: string;
  reason?: string;
  revision: number;
  seconds: number;
};

export async function tryRequest(groupId: string, wanted: Wanted): Promise<Tested> {
  const { headers, instance, ...rest } = wanted;
  const body = { ...rest, headers: together(headers), ...(instance === "" ? {} : { instance_id: instance }) };
  const asked = api.POST("/api/gateway_groups/{gateway_group_id}/request_tests", {
    params: { path: { gateway_group_id: groupId } },
    body,
  });
  return (await shaped<{ value: Tested }>(asked)).value;
}

/** Headers by name; one that is given twice has both values. */
function together(headers: readonly Header[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, value] of headers) found[name] = [...(found[name] ?? []), value];
  return found;
}
