/** Names and ids of what Prometheus' labels say: they hold ids, or names where the prometheus plugin prefers these. */
import type { Naming } from "./fromPrometheus";
import { LABELS, type Only } from "./promql";
import type { By, MonitoringSearch } from "./search";
import type { Series } from "./shapes";

export function namingOf(by: By, known: readonly Series[]): Naming {
  return (labels) => {
    const said = labels[LABELS[by].at(-1) ?? ""] ?? "";
    const here = known.filter(({ gateway_group_id: group }) => group === labels["gateway_group_id"]);
    const found = here.find(({ id }) => id === said) ?? here.find(({ name }) => name === said);
    return found === undefined || said === ""
      ? { id: said, name: said }
      : { id: found.id, name: found.name, ...(found.service_id === undefined ? {} : { service_id: found.service_id }) };
  };
}

/** The labels that are asked for: an id, and the name that may stand in its place. */
export function onlyOf(
  groupId: string | undefined,
  { service, route, consumer, instance }: MonitoringSearch,
  known: Readonly<Record<"service" | "route", readonly Series[]>>,
): Only {
  const both = (id: string | undefined, names: readonly Series[]) =>
    id === undefined ? undefined : [...new Set([id, ...names.filter((each) => each.id === id).map(({ name }) => name)])];
  const labels = {
    gateway_group_id: groupId === undefined ? undefined : [groupId],
    service: both(service, known.service),
    route: both(route, known.route),
    consumer: consumer === undefined ? undefined : [consumer],
    instance_id: instance === undefined ? undefined : [instance],
  };
  return Object.fromEntries(Object.entries(labels).filter((pair): pair is [string, string[]] => pair[1] !== undefined));
}
