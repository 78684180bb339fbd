/** What the monitoring pages ask. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Listed } from "@/api/shapes";

import { askPrometheus } from "./prometheus";
import { type By, chosen, type MonitoringSearch, type Source, span } from "./search";
import type { Entry, GroupNow, Traffic } from "./shapes";

export const ENTRIES = 100;
const USUAL = 15;
const SECOND = 1000;

/** How each gateway group is doing: its traffic of the last five minutes. */
export const nowQuery = queryOptions({
  queryKey: ["telemetry", "now"],
  refetchInterval: USUAL * SECOND,
  queryFn: async () => (await shaped<Listed<GroupNow>>(api.GET("/api/telemetry/gateway_groups"))).list,
});

export function trafficQuery(groupId: string | undefined, search: MonitoringSearch, by: By, source: Source) {
  const asked = { ...only(groupId, search), by: chosen(search) ? ("none" as const) : by };
  return queryOptions({
    queryKey: ["telemetry", "traffic", source, asked, rangeOf(search)],
    refetchInterval: interval(search),
    placeholderData: keepPreviousData,
    queryFn: async ({ client, signal }) => {
      const time = span(search, now());
      if (source === "prometheus") return askPrometheus(client, signal, { groupId, search, by: asked.by, ...time });
      const query = { ...asked, ...time };
      return (await shaped<{ value: Traffic }>(api.GET("/api/telemetry/traffic", { params: { query } }))).value;
    },
  });
}

export function entriesQuery(groupId: string, search: MonitoringSearch) {
  const { status, page = 1 } = search;
  const asked = { ...only(groupId, search), ...(status ? { status } : {}), page, page_size: ENTRIES };
  return queryOptions({
    queryKey: ["telemetry", "requests", asked, rangeOf(search)],
    refetchInterval: interval(search),
    placeholderData: keepPreviousData,
    queryFn: () => {
      const query = { ...asked, ...span(search, now()) };
      return shaped<Listed<Entry>>(api.GET("/api/telemetry/access_log", { params: { query } }));
    },
  });
}

/** The filters as the API names them. */
function only(groupId: string | undefined, { service, route, consumer, instance }: MonitoringSearch) {
  const names = { gateway_group_id: groupId, service_id: service, route_id: route, consumer, instance_id: instance };
  return Object.fromEntries(Object.entries(names).filter(([, name]) => name !== undefined)) as Partial<
    Record<keyof typeof names, string>
  >;
}

function rangeOf({ range = "1h", from, to }: MonitoringSearch): string {
  return from !== undefined && to !== undefined ? `${from}-${to}` : range;
}

/** What is over does not change any more. */
function interval({ from, refresh = USUAL }: MonitoringSearch): number | false {
  return from !== undefined || refresh === 0 ? false : refresh * SECOND;
}

function now(): number {
  return Math.floor(Date.now() / SECOND);
}
