/** What the settings of a gateway group ask. */
import { queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Listed } from "@/api/shapes";

export interface JoinToken {
  id: string;
  created_at: number;
  last_used_at?: number;
}

/** Without `instance_id` it was handed out as a file. */
export interface NodeCertificate {
  id: string;
  instance_id: string;
  created_at: number;
  expiry: number;
  joined_with: string;
  revoked_at?: number;
}

export interface CopyKey {
  key_id: string;
  signing: boolean;
  created_at: number;
  signs_at: number;
  ends_at?: number;
}

/** What is in the path of all of them. */
export function inGroup(groupId: string) {
  return { path: { gateway_group_id: groupId } };
}

export function tokensQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "instance-tokens"],
    queryFn: async () => {
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/instance_tokens", { params: inGroup(groupId) });
      return (await shaped<Listed<JoinToken>>(call)).list;
    },
  });
}

export function certificatesQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "client-certificates"],
    queryFn: async () => {
      const params = inGroup(groupId);
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/dp_client_certificates", { params });
      return (await shaped<Listed<NodeCertificate>>(call)).list;
    },
  });
}

export function keysQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "snapshot-keys"],
    queryFn: async () => {
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/snapshot_keys", { params: inGroup(groupId) });
      return (await shaped<Listed<CopyKey>>(call)).list;
    },
  });
}
