/** What a Prometheus that scrapes the nodes is asked, in PromQL: metrics and labels as the nodes serve them. */
import type { By } from "./search";
import { PERCENTILES } from "./shapes";

/** Series that are shown one by one; the rest is told as one. */
export const TOP = 10;
/** The label that tells the sum of all series from the series. */
export const WHOLE = "whole";
/** The label that says which percentile a series is. */
export const PART = "part";

const STATUS = "apisix_http_status";
const BANDWIDTH = "apisix_bandwidth";
const LATENCY = "apisix_http_latency_bucket";
const MOST_POINTS = 120;
const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400] as const;
const DAY = 86_400;
/** Seconds that a rate looks back at least: four scrapes, also when there is but one a minute. */
const LEAST_WINDOW = 240;

/** The labels of what series are told apart by; the last one names it. */
export const LABELS: Record<By, readonly string[]> = {
  none: [],
  gateway_group: ["gateway_group_id"],
  service: ["gateway_group_id", "service"],
  route: ["gateway_group_id", "service", "route"],
  consumer: ["gateway_group_id", "consumer"],
  instance: ["gateway_group_id", "instance_id"],
};

/** Label to the values that it may have. */
export type Only = Readonly<Record<string, readonly string[]>>;

export interface Times {
  /** Unix seconds; the steps between them are whole. */
  from: number;
  to: number;
  step: number;
}

export interface Questions {
  /** Asked over time. */
  statuses: string;
  requests?: string;
  bandwidth: string;
  latencies: string;
  /** Asked once, about all of the time: of all together, and of each series. */
  statusSums: string;
  bandwidthSums: string;
  latencySums: string;
}

/** Steps that make a chart of some hundred points. */
export function timesOf({ from, to }: { from: number; to: number }): Times {
  const span = Math.max(to - from, 1);
  const step = STEPS.find((each) => span / each <= MOST_POINTS) ?? Math.ceil(span / MOST_POINTS / DAY) * DAY;
  return { from: to - Math.ceil(span / step) * step, to, step };
}

export function questions(only: Only, by: By, { from, to, step }: Times): Questions {
  const [labels, window, span] = [LABELS[by], Math.max(step, LEAST_WINDOW), to - from];
  const selector = selectorOf(only);
  const rate = (metric: string) => `rate(${metric}${selector}[${window}s])`;
  const latencies = `${LATENCY}${selectorOf({ ...only, type: ["request"] })}`;
  const whole = (metric: string) => `increase(${metric}${selector}[${span}s] @ end())`;
  const among = ` and on (${labels.join(", ")}) topk(${TOP}, ${sum(labels, whole(STATUS))})`;
  /** All together, marked as such, and each of the series with most requests. */
  const both = (of: (labels: readonly string[]) => string) =>
    labels.length === 0 ? marked(of([])) : `${marked(of([]))} or (${of(labels)})${among}`;
  return {
    statuses: sum(["code"], rate(STATUS)),
    ...(labels.length > 0 ? { requests: sum(labels, rate(STATUS)) + among } : {}),
    bandwidth: sum(["type"], rate(BANDWIDTH)),
    latencies: percentiles([], `rate(${latencies}[${window}s])`),
    statusSums: both((own) => sum([...own, "code"], whole(STATUS))),
    bandwidthSums: both((own) => sum([...own, "type"], whole(BANDWIDTH))),
    latencySums: both((own) => percentiles(own, `increase(${latencies}[${span}s] @ end())`)),
  };
}

function sum(labels: readonly string[], of: string): string {
  return `sum by (${labels.join(", ")}) (${of})`;
}

function marked(expression: string): string {
  return `label_replace(${expression}, "${WHOLE}", "1", "", "")`;
}

function percentiles(labels: readonly string[], buckets: string): string {
  const each = PERCENTILES.map(
    (part) =>
      `label_replace(histogram_quantile(0.${part}, ${sum([...labels, "le"], buckets)}), "${PART}", "${part}", "", "")`,
  );
  return each.join(" or ");
}

/** Only what nodes of ours have told, and of that only what is asked for. */
function selectorOf(only: Only): string {
  const given = only["gateway_group_id"] === undefined ? ['gateway_group_id!=""'] : [];
  const limits = Object.entries(only).map(([label, values]) => {
    const [first = "", ...others] = values;
    return others.length === 0
      ? `${label}=${JSON.stringify(first)}`
      : `${label}=~${JSON.stringify(values.map(escaped).join("|"))}`;
  });
  return `{${[...given, ...limits].join(",")}}`;
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
