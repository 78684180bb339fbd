/** Whether a ring can start in a gateway group. */
import { useQuery } from "@tanstack/react-query";

import { instancesQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";

import { ringsQuery } from "./queries";

/** Why no ring can start in the gateway group now; undefined if one can, or while it is not known. */
export function useStartReason(groupId: string): string | undefined {
  const permissions = usePermissions({ groupId });
  const rings = useQuery({ ...ringsQuery(groupId), enabled: permissions["ListRings"] === true }).data?.list;
  const instances = useQuery({ ...instancesQuery(groupId), enabled: permissions["ListInstances"] === true }).data;
  if (rings?.some((ring) => ring.state === "running")) return t.ring.oneRuns;
  if (instances && !instances.some(({ status }) => status === "Healthy" || status === "OutOfSync")) return t.ring.noInstances;
  return undefined;
}
