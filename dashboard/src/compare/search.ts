/** What the addresses of comparisons say. */

/** Two gateway groups (`with` into `group`), or two revisions of one; without `to`, the group as it is now. */
export interface CompareSearch {
  group?: string | undefined;
  with?: string | undefined;
  revisions?: true | undefined;
  from?: number | undefined;
  to?: number | undefined;
}

export const SHOWS = ["all", "drift", "missing"] as const;
export type Shows = (typeof SHOWS)[number];

export interface MatrixSearch {
  groups?: string[] | undefined;
  show?: Shows | undefined;
}

/** The search of an address, whoever wrote it. */
export function compareSearch(given: Record<string, unknown>): CompareSearch {
  const from = revision(given["from"]);
  const to = revision(given["to"]);
  return {
    group: text(given["group"]),
    with: text(given["with"]),
    revisions: given["revisions"] === true || from !== undefined || to !== undefined ? true : undefined,
    from,
    to,
  };
}

export function matrixSearch(given: Record<string, unknown>): MatrixSearch {
  const groups = Array.isArray(given["groups"]) ? given["groups"].filter((each) => typeof each === "string") : [];
  const show = SHOWS.find((each) => each === given["show"]);
  return { groups: groups.length > 0 ? groups : undefined, show: show === "all" ? undefined : show };
}

function text(given: unknown): string | undefined {
  return typeof given === "string" && given ? given : undefined;
}

function revision(given: unknown): number | undefined {
  return typeof given === "number" && Number.isSafeInteger(given) && given >= 0 ? given : undefined;
}
