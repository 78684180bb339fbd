/** What the address of the audit log says: which entries, and which page of them. */
export interface AuditSearch {
  what?: string | undefined;
  who?: string | undefined;
  group?: string | undefined;
  about?: string | undefined;
  from?: string | undefined;
  until?: string | undefined;
  page?: number | undefined;
}

const DAY = /^\d{4}-\d\d-\d\d$/;

/** The search of an address, whoever wrote it. */
export function auditSearch(given: Record<string, unknown>): AuditSearch {
  const page = given["page"];
  return {
    what: text(given["what"]),
    who: text(given["who"]),
    group: text(given["group"]),
    about: text(given["about"]),
    from: day(given["from"]),
    until: day(given["until"]),
    page: typeof page === "number" && Number.isInteger(page) && page > 1 ? page : undefined,
  };
}

function text(given: unknown): string | undefined {
  if (typeof given === "number") return String(given);
  return typeof given === "string" && given ? given : undefined;
}

function day(given: unknown): string | undefined {
  return typeof given === "string" && DAY.test(given) && !Number.isNaN(Date.parse(given)) ? given : undefined;
}
