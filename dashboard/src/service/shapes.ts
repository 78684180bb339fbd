/** What the forms of services and upstreams edit. */
import type { Checks } from "./ChecksInput";
import type { Keepalive } from "./KeepaliveInput";
import type { Timeout } from "./TimeoutInput";
import type { TlsBody } from "./UpstreamTls";

export interface Node {
  host: string;
  port?: number | undefined;
  weight: number;
}

/** The fields of an upstream that forms show; whatever else an upstream has stays as it is. */
export interface UpstreamBody extends TlsBody {
  scheme?: string;
  type?: string;
  nodes?: Node[];
  service_name?: string;
  discovery_type?: string;
  pass_host?: string;
  upstream_host?: string;
  hash_on?: string;
  key?: string;
  retries?: number;
  timeout?: Timeout;
  keepalive_pool?: Keepalive;
  checks?: Checks;
}

export const HTTP_SCHEMES = ["http", "https", "grpc", "grpcs"];
export const STREAM_SCHEMES = ["tcp", "tls", "udp"];
/** Those that mean TLS to the upstream. */
export const TLS_SCHEMES = ["https", "grpcs", "tls"];
export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"];

export const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, grpc: 80, grpcs: 443 };

/** Nodes as the API may show them: a list, or host:port with a weight each. */
export function nodesOf(upstream: UpstreamBody | undefined): Node[] {
  const nodes: unknown = upstream?.nodes;
  if (Array.isArray(nodes)) return nodes as Node[];
  return Object.entries((nodes ?? {}) as Record<string, number>).map(([address, weight]) => {
    const [host = "", port] = address.split(":");
    return { host, port: port ? Number(port) : undefined, weight };
  });
}

/** Paths with the slash that every path begins with. */
export function slashed(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.trim()).filter(Boolean))].map((path) =>
    path.startsWith("/") ? path : `/${path}`,
  );
}
