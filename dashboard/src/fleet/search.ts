/** What the fleet's address says: how it is shown, and which groups. */
import type { Labels } from "@/api/shapes";

export interface FleetSearch {
  view?: "table" | undefined;
  find?: string | undefined;
  labels?: Labels | undefined;
}

/** Labels from an address, whoever wrote it. */
export function ownLabels(given: unknown): Labels | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  const pairs = Object.entries(given).filter((pair): pair is [string, string] => typeof pair[1] === "string");
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
}
