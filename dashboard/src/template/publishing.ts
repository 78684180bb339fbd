/** Whether a template may be published: it may as soon as one gateway group would take it from the user. */
import { useQueries, useQuery } from "@tanstack/react-query";

import { groupsQuery } from "@/api/queries";
import { type Allowed, permissionsQuery, usePermissions } from "@/session/permissions";

const ACTION = "PublishServices";
/** Gateway groups that are asked about one by one; with more of them it is left to the release to say. */
const MOST = 50;

export function usePublishing(templateId: string): Allowed | undefined {
  const everywhere = usePermissions({ serviceId: templateId })[ACTION];
  const limited = typeof everywhere === "string";
  const groups = useQuery({ ...groupsQuery, enabled: limited }).data;
  const asked = limited && groups !== undefined && groups.length <= MOST ? groups : [];
  const each = useQueries({ queries: asked.map(({ id }) => permissionsQuery({ groupId: id, serviceId: templateId })) });
  if (!limited) return everywhere;
  if (groups === undefined || groups.length > MOST || each.some(({ data }) => data === undefined)) return undefined;
  return each.some(({ data }) => data?.[ACTION] === true) || everywhere;
}
