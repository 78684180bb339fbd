/** What approvals name by ids, as people call it. */
import { useQuery } from "@tanstack/react-query";

import { groupsQuery, matrixQuery } from "@/api/queries";

interface Names {
  groups: (ids: readonly string[]) => string;
  services: (ids: readonly string[]) => string;
}

export function useNames(): Names {
  const groups = new Map((useQuery(groupsQuery).data ?? []).map(({ id, name }) => [id, name]));
  const found = useQuery({ ...matrixQuery, refetchInterval: false }).data?.services ?? [];
  const services = new Map(found.map(({ service_id: id, name }) => [id, name]));
  return { groups: (ids) => said(ids, groups), services: (ids) => said(ids, services) };
}

function said(ids: readonly string[], names: ReadonlyMap<string, string>): string {
  return ids.map((id) => names.get(id) ?? id).join(", ");
}
