/** Whether a ring can start in a gateway group, and starting it. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { instancesQuery } from "@/api/queries";
import type { Released } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";

import { ringsQuery, startTrial, type Trial } from "./queries";

/** Why no ring can start in the gateway group now; undefined if one can, or while it is not known. */
export function useStartReason(groupId: string): string | undefined {
  const permissions = usePermissions({ groupId });
  const rings = useQuery({ ...ringsQuery(groupId), enabled: permissions["ListRings"] === true }).data?.list;
  const instances = useQuery({ ...instancesQuery(groupId), enabled: permissions["ListInstances"] === true }).data;
  if (rings?.some((ring) => ring.state === "running")) return t.ring.oneRuns;
  if (instances && !instances.some(({ status }) => status === "Healthy" || status === "OutOfSync")) return t.ring.noInstances;
  return undefined;
}

/** Starts a ring and goes on to its page, unless it waits for an approval. */
export function useStartRing(): (groupId: string, trial: Trial) => Promise<Released> {
  const navigate = useNavigate();
  return async (groupId, trial) => {
    const started = await startTrial(groupId, trial);
    if ("approval" in started) return started;
    await navigate({ to: "/groups/$groupId/rings/$ringId", params: { groupId, ringId: started.id } });
    return { revisions: { [groupId]: started.revision } };
  };
}
