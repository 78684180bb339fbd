/** Where the audit log is forwarded to: as the API shows it, and as the form edits it. */
import type { Look } from "@/ui/State";

export interface Syslog {
  host: string;
  port: number;
  protocol: "tcp" | "tls" | "udp";
  ca: string;
  facility: number;
  app_name: string;
}

export interface Webhook {
  url: string;
  headers: Record<string, string>;
  ca: string;
}

export type Sink = {
  id: string;
  name: string;
  enabled: boolean;
  failing_since?: number;
  last_error?: string;
  created_at: number;
  updated_at: number;
} & ({ type: "syslog"; config: Syslog } | { type: "webhook"; config: Webhook });

/** Both kinds side by side, so that choosing the other and coming back loses nothing. */
export interface SinkForm {
  name: string;
  enabled: boolean;
  type: Sink["type"];
  syslog: Syslog;
  webhook: Omit<Webhook, "headers"> & { headers: [string, string][] };
}

export const FRESH: SinkForm = {
  name: "",
  enabled: true,
  type: "syslog",
  syslog: { host: "", port: 6514, protocol: "tls", ca: "", facility: 13, app_name: "gatefleet" },
  webhook: { url: "", headers: [], ca: "" },
};

export function formOf(sink: Sink): SinkForm {
  const { name, enabled, type } = sink;
  const form = { ...FRESH, name, enabled, type };
  if (sink.type === "syslog") return { ...form, syslog: sink.config };
  return { ...form, webhook: { ...sink.config, headers: Object.entries(sink.config.headers) } };
}

/** What is sent to the API. */
export function bodyOf({ name, enabled, type, syslog, webhook }: SinkForm) {
  const config = type === "syslog" ? syslog : { ...webhook, headers: Object.fromEntries(webhook.headers) };
  return { name, enabled, type, config: { ...config } as Record<string, unknown> };
}

export function targetOf(sink: Sink): string {
  if (sink.type === "webhook") return sink.config.url;
  return `${sink.config.protocol}://${sink.config.host}:${sink.config.port}`;
}

export function lookOf({ enabled, failing_since }: Sink): [Look, "works" | "off" | "failing"] {
  if (!enabled) return ["plain", "off"];
  return failing_since === undefined ? ["good", "works"] : ["bad", "failing"];
}
