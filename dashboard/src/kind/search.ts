/** What the address of a list says: which of its resources is being edited. */
export interface EditSearch {
  edit?: string | undefined;
}

export function editSearch(search: Record<string, unknown>): EditSearch {
  return { edit: typeof search["edit"] === "string" ? search["edit"] : undefined };
}
