/** The gateway groups that a rule's labels cover. */
import type { Group, Labels } from "@/api/shapes";
import { t } from "@/texts";
import { matches } from "@/ui/Labels";

export function covered(groups: Group[], labels: Labels): string {
  const names = groups.filter((group) => matches(group.labels, labels)).map(({ name }) => name);
  return names.join(", ") || t.approvalRule.coversNone;
}
