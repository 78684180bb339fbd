/** What a template's address says: which tab, which route is edited, and whether it is being published (to which group). */
export const TABS = ["routes", "versions"] as const;
export type Tab = (typeof TABS)[number];

export interface TemplateSearch {
  tab?: Tab | undefined;
  edit?: string | undefined;
  publish?: string | true | undefined;
}

export function isTab(given: unknown): given is Tab {
  return TABS.includes(given as Tab);
}

export function templateSearch({ tab, edit, publish }: Record<string, unknown>): TemplateSearch {
  return {
    tab: isTab(tab) ? tab : undefined,
    edit: typeof edit === "string" ? edit : undefined,
    publish: publish === true || typeof publish === "string" ? publish : undefined,
  };
}
