/** What comparisons ask. */
import { queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Change } from "@/api/shapes";

import type { CompareSearch } from "./search";

/** A service on one side; no version in it: it was edited there. */
export interface Side {
  status: number;
  version?: string;
  service_version_id?: string;
  published_at?: number;
}

export interface ComparedService {
  service_id: string;
  name: string;
  here: Side | null;
  there: Side | null;
  same: boolean;
}

/** `changes` make the other side ("there", what it was) into this one ("here", what it is). */
export interface Comparison {
  same: boolean;
  changes: Change[];
  text: string[];
  services: ComparedService[];
}

/** Whether both sides are chosen, and are two. */
export function isWhole({ group, with: other, revisions, from, to }: CompareSearch): boolean {
  if (group === undefined) return false;
  return revisions ? from !== undefined && from !== to : other !== undefined && other !== group;
}

export function comparisonQuery(search: CompareSearch) {
  const { group = "", with: other = "", revisions, from, to } = search;
  const query = revisions ? { with: String(from), ...(to === undefined ? {} : { at: to }) } : { with: other };
  return queryOptions({
    queryKey: ["group", group, "compare", query],
    enabled: isWhole(search),
    queryFn: async () => {
      const params = { path: { gateway_group_id: group }, query };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/compare", { params });
      return (await shaped<{ value: Comparison }>(call)).value;
    },
  });
}
