/** What the pages about permissions ask. */
import { queryOptions } from "@tanstack/react-query";

import { api, ApiError, one, shaped } from "@/api/client";
import type { Json } from "@/api/resources";
import type { Listed } from "@/api/shapes";

import type { Policy, Role } from "./shapes";
import type { Question } from "./search";

export const rolesQuery = queryOptions({
  queryKey: ["roles"],
  queryFn: async () => (await shaped<Listed<Role>>(api.GET("/api/roles"))).list,
});

export const policiesQuery = queryOptions({
  queryKey: ["policies"],
  queryFn: async () => (await shaped<Listed<Policy>>(api.GET("/api/permission_policies"))).list,
});

/** A policy as it is edited, and what a write must send back; without `policy` it is a new one. */
export interface ReadPolicy {
  policy?: Policy;
  body: Json;
  etag: string | null;
}

export function policyQuery(id: string) {
  return queryOptions({
    queryKey: ["policies", id],
    // what is being edited must not be replaced while it is
    staleTime: Infinity,
    refetchOnWindowFocus: false,
    gcTime: 0,
    queryFn: async (): Promise<ReadPolicy> => {
      const { data, response } = await api.GET("/api/permission_policies/{id}", { params: { path: { id } } });
      const policy = (data as { value?: Policy } | undefined)?.value;
      if (!policy) throw new ApiError(500, "the answer was empty");
      const { name, desc, labels, statement } = policy;
      return { policy, body: { name, desc, labels, statement }, etag: response.headers.get("etag") };
    },
  });
}

/** What policies can speak of: actions, the resource of each, what it lets one do; and what conditions look at. */
export const vocabularyQuery = queryOptions({
  queryKey: ["policy-actions"],
  staleTime: Infinity,
  queryFn: () => one(api.GET("/api/permission_policies/actions")),
});

export type Vocabulary = Awaited<ReturnType<NonNullable<typeof vocabularyQuery.queryFn>>>;

/** Why a user may do something or not; without a user, the one who asks. */
export function decisionQuery({ user, action = "", resource = "", consumer }: Question) {
  const query = { action, resource, ...(consumer ? { consumer } : {}) };
  return queryOptions({
    queryKey: ["decision", user ?? "", query],
    enabled: action !== "" && resource !== "",
    queryFn: () =>
      one(
        user
          ? api.GET("/api/users/{id}/decision", { params: { path: { id: user }, query } })
          : api.GET("/api/me/decision", { params: { query } }),
      ),
  });
}

export type Explained = Awaited<ReturnType<NonNullable<ReturnType<typeof decisionQuery>["queryFn"]>>>;
