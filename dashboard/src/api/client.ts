/** The typed client of the Admin API: made from its OpenAPI document, with one way for everything that goes wrong. */
import createClient, { type Middleware } from "openapi-fetch";

import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
type Called<D> = Promise<{ data?: D; response: Response }>;

const POINTER = /Error at "(\/[^"]*)": (.*)/s;

/** What the API refused, in its words. `pointer` names the field of the body, if one is to blame. */
export class ApiError extends Error {
  readonly pointer: string | undefined;
  readonly reason: string;

  constructor(
    readonly status: number,
    message: string,
    readonly body: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "ApiError";
    const found = POINTER.exec(message);
    this.pointer = found?.[1];
    this.reason = found?.[2] ?? message;
  }
}

let sessionEnded: () => void = () => undefined;

/** What is to be done when the API says that nobody is signed in any more. */
export function onSessionEnd(handler: () => void): void {
  sessionEnded = handler;
}

const refusals: Middleware = {
  async onResponse({ response, schemaPath }) {
    if (response.ok) return;
    const body = await plain(response);
    const said = body["error_msg"];
    if (response.status === 401 && schemaPath !== "/api/login") sessionEnded();
    throw new ApiError(response.status, typeof said === "string" ? said : response.statusText, body);
  },
  onError: () => new ApiError(0, "the control plane cannot be reached; what you see may be old"),
};

async function plain(response: Response): Promise<Record<string, unknown>> {
  try {
    return (await response.json()) as Record<string, unknown>;
  } catch {
    return {};
  }
}

export const api = createClient<paths>({ baseUrl: window.location.origin });
api.use(refusals);

/** The `value` of an answer. */
export async function one<D extends { value: unknown }>(call: Called<D>): Promise<D["value"]> {
  return present(await call).value;
}

/** The `list` of an answer, and how many there are on all pages. */
export async function many<D extends { list: unknown[]; total: number }>(call: Called<D>): Promise<D> {
  return present(await call);
}

/** An answer that the OpenAPI document calls an object and no more; `shapes.ts` says what is read of it. */
export async function shaped<T>(call: Called<unknown>): Promise<T> {
  return present(await call) as T;
}

/** What was read, with what a write of it sends back as If-Match. */
export type Tagged<T> = T & { etag: string | null };

/** The `value` of an answer with its ETag. */
export async function tagged<T>(call: Called<unknown>): Promise<Tagged<T>> {
  const { data, response } = await call;
  return { ...(present({ data }) as { value: T }).value, etag: response.headers.get("etag") };
}

export interface Written<T> {
  value: T;
  /** The revision that the change made of its gateway group; null if it changed none. */
  revision: number | null;
  /** Whether it waits for somebody's approval: then nothing was done yet. */
  waits: boolean;
}

/** What a change answered. */
export async function written<T>(call: Called<unknown>): Promise<Written<T>> {
  const { data, response } = await call;
  const revision = response.headers.get("x-gateway-group-revision");
  const value = (data as { value?: T } | undefined)?.value as T;
  return { value, revision: revision === null ? null : Number(revision), waits: response.status === 202 };
}

function present<D>({ data }: { data?: D }): D {
  if (data === undefined) throw new ApiError(500, "the answer was empty");
  return data;
}
