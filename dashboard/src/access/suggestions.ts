/** What is offered while patterns are chosen: actions, and resources of every shape the API knows. */
import type { Group } from "@/api/shapes";
import { t } from "@/texts";

import type { Vocabulary } from "./queries";

/** Actions: whole areas and what only reads, then each there is. */
export function actionsOf(names: string[]) {
  const areas = [...new Set(names.map((name) => name.split(":")[0] ?? ""))];
  return [
    { group: t.common.all, items: ["*", "<.*>:Get<.*>"] },
    ...areas.map((area) => ({
      group: t.access.policies.actionsOf(area),
      items: [`${area}:*`, ...names.filter((name) => name.startsWith(`${area}:`))],
    })),
  ];
}

/** Resources, by kind and by gateway group. */
export function resourcesOf({ actions }: Vocabulary, groups: Group[]) {
  const shapes = [...new Set(actions.map(({ resource }) => resource))];
  const within = shapes.filter((shape) => shape.includes("{group}"));
  return [
    { group: t.common.all, items: ["*", ...new Set(shapes.map((shape) => filled(shape, {})))] },
    ...groups.map(({ id, name }) => ({
      group: `${name} (${id})`,
      items: within.map((shape) => filled(shape, { group: id })),
    })),
  ].map(({ group, items }, index, all) => {
    // values must be unique over all groups of suggestions
    const before = new Set(all.slice(0, index).flatMap((each) => each.items));
    return { group, items: items.filter((item) => !before.has(item)) };
  });
}

/** A resource with these names in it, and `*` for what is not named. */
export function filled(shape: string, names: Readonly<Record<string, string>>): string {
  return shape.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? "*");
}
