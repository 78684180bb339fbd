/** How a gateway group stands: its instances by state, its services, whether its newest change is live everywhere. */
import type { Group, Instance, InstanceStatus, ServicesMatrix } from "@/api/shapes";
import type { Look } from "@/ui/State";

export const LOOK: Readonly<Record<InstanceStatus, Look>> = {
  Healthy: "good",
  OutOfSync: "warning",
  LostConnection: "bad",
  Offline: "plain",
};

export interface Running {
  id: string;
  name: string;
  version: string | undefined;
  off: boolean;
}

export interface Standing {
  group: Group;
  instances: Instance[];
  states: [InstanceStatus, number][];
  services: Running[];
  /** Instances that count and have proven the newest revision. */
  live: number;
  /** Instances that count: all but those that are offline. */
  counted: number;
  rejected: number;
  /** Undefined while it is not known. */
  revision: number | undefined;
}

export function standings(groups: Group[], instances: Instance[], matrix: ServicesMatrix | undefined): Standing[] {
  return groups.map((group) => {
    const own = instances.filter((instance) => instance.gateway_group_id === group.id);
    const counted = own.filter((instance) => instance.status !== "Offline");
    return {
      group,
      instances: own,
      states: states(own),
      services: services(group.id, matrix),
      live: counted.filter((instance) => instance.revision_lag === 0 && !hasProblems(instance)).length,
      counted: counted.length,
      rejected: counted.filter(hasProblems).length,
      revision: matrix?.gateway_groups.find((each) => each.id === group.id)?.revision,
    };
  });
}

export function hasProblems(instance: Instance): boolean {
  return Object.keys(instance.problems).length > 0;
}

/** Whether somebody should look at it. */
export function needsAttention(standing: Standing): boolean {
  return standing.live < standing.counted || standing.states.some(([state]) => state !== "Healthy");
}

export function states(instances: Instance[]): [InstanceStatus, number][] {
  const order: InstanceStatus[] = ["Healthy", "OutOfSync", "LostConnection", "Offline"];
  return order
    .map((state): [InstanceStatus, number] => [state, instances.filter((each) => each.status === state).length])
    .filter(([, count]) => count > 0);
}

function services(groupId: string, matrix: ServicesMatrix | undefined): Running[] {
  return (matrix?.services ?? []).flatMap((service) => {
    const here = service.groups[groupId];
    if (!here) return [];
    return [{ id: service.service_id, name: service.name, version: here.version, off: here.status === 0 }];
  });
}
