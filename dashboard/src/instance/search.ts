/** What the address of all instances says: of which gateway group, in which state. */
import type { InstanceStatus } from "@/api/shapes";

export const STATES = ["Healthy", "OutOfSync", "LostConnection", "Offline"] as const satisfies readonly InstanceStatus[];

export interface InstanceSearch {
  group?: string | undefined;
  state?: InstanceStatus | undefined;
}

/** The search of an address, whoever wrote it. */
export function instanceSearch(given: Record<string, unknown>): InstanceSearch {
  const { group, state } = given;
  return {
    group: typeof group === "string" && group ? group : undefined,
    state: STATES.find((each) => each === state),
  };
}
