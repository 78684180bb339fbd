/** Traffic as a Prometheus knows it, asked through the control plane. */
import { type QueryClient, queryOptions } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";

import { type Found, trafficOf } from "./fromPrometheus";
import { namingOf, onlyOf } from "./names";
import { questions, type Times, timesOf } from "./promql";
import { type By, type MonitoringSearch, RANGES } from "./search";
import type { Traffic } from "./shapes";

/** Names that are asked for at once, the most there are. */
const MOST = 50;
const HOUR = 3600;
const NAMED: readonly By[] = ["gateway_group", "service", "route", "instance"];

interface Answer {
  value: { data: { result: Found[] } };
}

export interface Ask {
  groupId: string | undefined;
  search: MonitoringSearch;
  by: By;
  /** Unix seconds. */
  from: number;
  to: number;
}

export async function askPrometheus(client: QueryClient, signal: AbortSignal, ask: Ask): Promise<Traffic> {
  const { groupId, search, by } = ask;
  const named = (kind: By, wanted: boolean) => (wanted ? client.query(namesQuery(groupId, kind)) : []);
  const [names, service, route] = await Promise.all([
    named(by, by !== "none"),
    named("service", search.service !== undefined),
    named("route", search.route !== undefined),
  ]);
  const times = timesOf(ask);
  const asked = questions(onlyOf(groupId, search, { service, route }), by, times);
  const overTime = (query: string) => askOverTime(query, times, signal);
  const once = (query: string) => askOnce(query, times, signal);
  const [statuses, requests, bandwidth, latencies, statusSums, bandwidthSums, latencySums] = await Promise.all([
    overTime(asked.statuses),
    asked.requests === undefined ? [] : overTime(asked.requests),
    overTime(asked.bandwidth),
    overTime(asked.latencies),
    once(asked.statusSums),
    once(asked.bandwidthSums),
    once(asked.latencySums),
  ]);
  const answers = { statuses, requests, bandwidth, latencies, statusSums, bandwidthSums, latencySums };
  return trafficOf(answers, by, times, namingOf(by, names));
}

async function askOverTime(query: string, { from, to, step }: Times, signal: AbortSignal): Promise<Found[]> {
  const params = { query: { query, start: String(from + step), end: String(to), step: String(step) } };
  const asked = api.GET("/api/control_plane/prometheus/api/v1/query_range", { params, signal });
  return (await shaped<Answer>(asked)).value.data.result;
}

async function askOnce(query: string, { to }: Times, signal: AbortSignal): Promise<Found[]> {
  const params = { query: { query, time: String(to) } };
  const asked = api.GET("/api/control_plane/prometheus/api/v1/query", { params, signal });
  return (await shaped<Answer>(asked)).value.data.result;
}

/** What the built-in store knows by name: what had most requests in the last day. Nothing if it does not answer. */
function namesQuery(groupId: string | undefined, by: By) {
  return queryOptions({
    queryKey: ["telemetry", "names", groupId ?? "", by],
    staleTime: 60_000,
    queryFn: async () => {
      if (!NAMED.includes(by)) return [];
      const [to, group] = [Math.floor(Date.now() / 1000), groupId === undefined ? {} : { gateway_group_id: groupId }];
      const query = { ...group, by, from: to - RANGES["24h"], to, step: HOUR, top: MOST };
      const asked = shaped<{ value: Traffic }>(api.GET("/api/telemetry/traffic", { params: { query } }));
      return asked.then(
        ({ value }) => value.series,
        () => [],
      );
    },
  });
}
