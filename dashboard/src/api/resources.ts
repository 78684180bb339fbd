/** Resources by kind: reading one with its ETag, writing it only if nobody else did meanwhile. */
import { api, ApiError, type Written, written } from "./client";

export type Json = Record<string, unknown>;

/** A resource as it is edited: without what the server makes, and with what a write must send back. */
export interface Read {
  body: Json;
  etag: string | null;
}

/** What every answer about a resource has besides its body. */
const SERVER_MADE = ["id", "created_at", "updated_at", "last_published", "published_gateway_groups_count"];

type Method = "GET" | "PUT" | "POST" | "DELETE";
interface Options {
  params: { query: Json; path: Record<string, string> };
  body?: Json;
  headers?: Record<string, string>;
}
type Loose = Record<Method, (path: string, options: Options) => Promise<{ data?: unknown; response: Response }>>;

/** The typed client for paths that are put together, which no type can follow. */
const loose = api as unknown as Loose;

/**
 * Where a resource is: `{ groupId, path: "routes/get" }`, or `consumers/jack/credentials/main`; without a gateway group
 * a template: `{ path: "routes/template/1" }`. Parts that come from users must have been through `at`.
 */
export interface Place {
  groupId?: string | undefined;
  path: string;
}

/** What the queries about a place's neighbourhood begin with: a change there makes them all old. */
export function around({ groupId }: Place): string[] {
  return groupId === undefined ? ["templates"] : ["group", groupId];
}

/** A path of parts that may hold anything. */
export function at(...parts: string[]): string {
  return parts.map(encodeURIComponent).join("/");
}

export async function readResource(place: Place): Promise<Read> {
  const { data, response } = await loose.GET(address(place), { params: scope(place) });
  const value = (data as { value?: Json } | undefined)?.value;
  if (!value) throw new ApiError(500, "the answer was empty");
  const body = Object.fromEntries(Object.entries(value).filter(([key]) => !SERVER_MADE.includes(key)));
  return { body, etag: response.headers.get("etag") };
}

/** Creates it, or replaces it. With an ETag, only if it still is what was read (ApiError 412 otherwise). */
export function putResource(place: Place, body: Json, etag?: string | null): Promise<Written<Json>> {
  const headers: Record<string, string> = etag ? { "If-Match": etag } : {};
  return written<Json>(loose.PUT(address(place), { params: scope(place), body, headers }));
}

/** Makes a new one under an id of the server's. */
export function postResource(place: Place, body: Json): Promise<Written<Json>> {
  return written<Json>(loose.POST(address(place), { params: scope(place), body }));
}

export function deleteResource(place: Place): Promise<Written<string>> {
  return written<string>(loose.DELETE(address(place), { params: scope(place) }));
}

/** Everything of a kind; `filters` are those of its list. */
export async function listResources<T>(place: Place, filters: Json = {}): Promise<T[]> {
  const query = { ...scope(place).query, ...filters };
  const { data } = await loose.GET(address(place), { params: { query, path: {} } });
  const { list, value = {} } = data as { list?: T[]; value?: Record<string, Json> };
  // plugin metadata come as one object by plugin, as API7's clients want them
  return list ?? Object.entries(value).map(([id, body]) => ({ ...body, id }) as T);
}

function address({ groupId, path }: Place): string {
  return groupId === undefined ? `/api/${path}` : `/apisix/admin/${path}`;
}

function scope({ groupId }: Place): Options["params"] {
  return { query: groupId === undefined ? {} : { gateway_group_id: groupId }, path: {} };
}
