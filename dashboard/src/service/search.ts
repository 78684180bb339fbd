/** What a service's address says: which tab, and what is being edited ("new", or a route's id). */
export const TABS = ["routes", "upstreams", "runtime", "versions", "history"] as const;
export type Tab = (typeof TABS)[number];

export interface ServiceSearch {
  tab?: Tab | undefined;
  edit?: string | undefined;
}

export function isTab(given: unknown): given is Tab {
  return TABS.includes(given as Tab);
}
