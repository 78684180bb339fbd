/** What the signed-in user may do, and why not: asked of the API once per gateway group, never guessed here. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, one } from "@/api/client";

/** True, or why not. */
export type Allowed = boolean | string;

/** Actions as the OpenAPI document names them (`summary` of an operation), for example `CreateService`. */
export type Permissions = Readonly<Record<string, Allowed>>;

export interface About {
  groupId?: string | undefined;
  serviceId?: string | undefined;
}

export function permissionsQuery({ groupId, serviceId }: About) {
  return queryOptions({
    queryKey: ["permissions", groupId ?? "", serviceId ?? ""],
    staleTime: 30_000,
    queryFn: () =>
      one(api.GET("/api/me/permissions", { params: { query: { gateway_group_id: groupId, service_id: serviceId } } })),
  });
}

/** What may be done with a gateway group, or a service of it. Empty while it is asked: then nothing is shown as denied. */
export function usePermissions(about: About = {}): Permissions {
  return useQuery(permissionsQuery(about)).data ?? {};
}

/** Why something may not be done; undefined if it may, or if it is not known yet. */
export function may(allowed: Allowed | undefined): string | undefined {
  return typeof allowed === "string" ? allowed : undefined;
}
