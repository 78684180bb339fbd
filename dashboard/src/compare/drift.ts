/** Which services run in different versions in different gateway groups, and where. */
import type { ServicesMatrix } from "@/api/shapes";

import type { Shows } from "./search";

type Service = ServicesMatrix["services"][number];
type Where = Service["groups"][string];

export interface Row {
  id: string;
  name: string;
  /** By gateway group, of those that are looked at. */
  groups: Record<string, Where>;
  /** In how many of them it is. */
  there: number;
  drift: boolean;
  /** Gateway groups that run something else than most. */
  odd: ReadonlySet<string>;
}

/** Rows of the matrix over these gateway groups; a service that is in none of them has none. */
export function rowsOf(matrix: ServicesMatrix, groupIds: readonly string[], show: Shows): Row[] {
  const rows = matrix.services.map((service) => rowOf(service, groupIds)).filter((row) => row.there > 0);
  if (show === "drift") return rows.filter((row) => row.drift);
  return show === "missing" ? rows.filter((row) => row.there < groupIds.length) : rows;
}

function rowOf(service: Service, groupIds: readonly string[]): Row {
  const here = groupIds.flatMap((id): [string, Where][] => {
    const where = service.groups[id];
    return where ? [[id, where]] : [];
  });
  const versions = new Set(here.map(([, where]) => where.service_version_id));
  const drift = here.length > 1 && (versions.size > 1 || versions.has(undefined));
  const usual = usualOf(here.map(([, where]) => where));
  const odd = here.filter(([, where]) => drift && (where.service_version_id ?? "") !== usual).map(([id]) => id);
  return {
    id: service.service_id,
    name: service.name,
    groups: Object.fromEntries(here),
    there: here.length,
    drift,
    odd: new Set(odd),
  };
}

/** The version most of them run; of several, the one that was published last. No version is never usual. */
function usualOf(sides: Where[]): string | undefined {
  const counts = new Map<string, { count: number; last: number }>();
  for (const { service_version_id: id, published_at: at = 0 } of sides) {
    if (id === undefined) continue;
    const known = counts.get(id) ?? { count: 0, last: 0 };
    counts.set(id, { count: known.count + 1, last: Math.max(known.last, at) });
  }
  const ordered = [...counts].sort(([, a], [, b]) => b.count - a.count || b.last - a.last);
  return ordered[0]?.[0];
}
