/** What the address of the page that tries a request says: the request itself, without what may be secret. */
import type { Json } from "@/api/resources";

export const SCHEMES = ["http", "https"] as const;
export type Scheme = (typeof SCHEMES)[number];

export interface TesterSearch {
  method?: string | undefined;
  scheme?: Scheme | undefined;
  host?: string | undefined;
  /** With the query. */
  path?: string | undefined;
  instance?: string | undefined;
}

/** The search of an address, whoever wrote it. */
export function testerSearch(given: Record<string, unknown>): TesterSearch {
  const text = (name: string) => (typeof given[name] === "string" && given[name] ? given[name] : undefined);
  return {
    method: text("method"),
    scheme: SCHEMES.find((scheme) => scheme === given["scheme"]),
    host: text("host"),
    path: text("path"),
    instance: text("instance"),
  };
}

/** A request that a route answers, as far as its methods, hosts and paths say. */
export function requestFor(route: Json, service: { hosts?: string[]; path_prefix?: string }): TesterSearch {
  const first = (list: unknown) => (Array.isArray(list) && typeof list[0] === "string" ? list[0] : undefined);
  const host = first(route["hosts"]) ?? first(service.hosts);
  const path = first(route["paths"]) ?? "/";
  return {
    method: first(route["methods"]),
    host: host === undefined || host === "*" ? undefined : host.replace(/^\*/, "www"),
    path: (service.path_prefix ?? "").replace(/\/$/, "") + path.replace(/\*$/, "").replace(/:\w+|\{\w+\}/g, "1"),
  };
}
