/** A Prometheus' answers as traffic: the same figures that the built-in store tells. */
import { LABELS, PART, type Questions, type Times, TOP, WHOLE } from "./promql";
import type { By } from "./search";
import { CLASSES, type Points, type Series, type StatusClass, type Sum, type Traffic } from "./shapes";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [at: number, value: string];

/** One series of an answer: `values` over time, or the one `value`. */
export interface Found {
  metric: Labels;
  value?: Sample;
  values?: readonly Sample[];
}

export type Answers = { [name in keyof Questions]: readonly Found[] };

/** What a series is called, and its id here; labels may hold ids or names, as the prometheus plugin was told. */
export type Naming = (labels: Labels) => { id: string; service_id?: string; name: string };

type Latencies = Pick<Sum, "latency_p50_ms" | "latency_p95_ms" | "latency_p99_ms">;
const UNMEASURED: Latencies = { latency_p50_ms: null, latency_p95_ms: null, latency_p99_ms: null };
const NO_POINTS: Points = {
  requests: [],
  status: { other: [], "2xx": [], "3xx": [], "4xx": [], "5xx": [] },
  latency_p50_ms: [],
  latency_p95_ms: [],
  latency_p99_ms: [],
  bytes_in: [],
  bytes_out: [],
};

export function trafficOf(answers: Answers, by: By, times: Times, naming: Naming): Traffic {
  const { from, to, step } = times;
  const steps = Math.round((to - from) / step);
  const lines = new Map(answers.requests?.map((found) => [keyOf(found, by), counts(found, times, steps)]));
  const whole = (found: Found) => found.metric[WHOLE] !== undefined;
  const total: Series = { id: "", name: "", sum: sumOf(answers, whole, to - from), points: pointsOf(answers, times, steps) };
  const keys = new Map(answers.statusSums.filter((found) => !whole(found)).map((found) => [keyOf(found, by), found.metric]));
  const series = [...keys].map(([key, labels]): Series => {
    const sum = sumOf(answers, (found) => !whole(found) && keyOf(found, by) === key, to - from);
    const points = { ...NO_POINTS, requests: lines.get(key) ?? Array<number>(steps).fill(0) };
    return { gateway_group_id: labels["gateway_group_id"] ?? "", ...naming(labels), sum, points };
  });
  series.sort((one, other) => other.sum.requests - one.sum.requests);
  const others = series.length < TOP ? [] : rest(total, series, to - from);
  const at = Array.from({ length: steps }, (_, index) => from + index * step);
  return { from, to, step, at, total, series: [...series, ...others] };
}

/** What tells a series from the others; a label that is empty is not there. */
function keyOf({ metric }: Found, by: By): string {
  return JSON.stringify(LABELS[by].map((label) => metric[label] ?? ""));
}

/** By the names that Prometheus knows them by: percentiles, and the bytes of each direction. */
function measures<L, B>(latency: (part: string) => L, bytes: (type: string) => B) {
  return {
    latency_p50_ms: latency("50"),
    latency_p95_ms: latency("95"),
    latency_p99_ms: latency("99"),
    bytes_in: bytes("ingress"),
    bytes_out: bytes("egress"),
  };
}

function pointsOf(answers: Answers, times: Times, steps: number): Points {
  const status = { ...NO_POINTS.status };
  for (const name of CLASSES) {
    const inside = answers.statuses.filter((found) => classOf(found.metric) === name);
    status[name] = added(inside.map((found) => counts(found, times, steps)), steps);
  }
  const bytes = (type: string) =>
    added(answers.bandwidth.filter(({ metric }) => metric["type"] === type).map((found) => counts(found, times, steps)), steps);
  const latency = (part: string) =>
    measured(answers.latencies.find(({ metric }) => metric[PART] === part), times, steps);
  return {
    requests: added(Object.values(status), steps),
    status,
    ...measures(latency, bytes),
  };
}

function sumOf(answers: Answers, belongs: (found: Found) => boolean, seconds: number): Sum {
  const status: Record<StatusClass, number> = { other: 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0 };
  for (const found of answers.statusSums.filter(belongs)) status[classOf(found.metric)] += valueOf(found) ?? 0;
  for (const name of CLASSES) status[name] = Math.round(status[name]);
  const bytes = (type: string) =>
    Math.round(valueOf(answers.bandwidthSums.find((found) => belongs(found) && found.metric["type"] === type)) ?? 0);
  const latency = (part: string) =>
    valueOf(answers.latencySums.find((found) => belongs(found) && found.metric[PART] === part));
  return {
    ...ratios(status, seconds),
    status,
    ...measures(latency, bytes),
  };
}

function ratios(status: Record<StatusClass, number>, seconds: number) {
  const requests = CLASSES.reduce((all, name) => all + status[name], 0);
  return { requests, requests_per_second: requests / seconds, error_ratio: requests === 0 ? 0 : status["5xx"] / requests };
}

/** All that is not shown one by one, as one; percentiles of it are not known. */
function rest(total: Series, series: readonly Series[], seconds: number): Series[] {
  const left = (of: (each: Series) => number) =>
    Math.max(series.reduce((amount, each) => amount - of(each), of(total)), 0);
  const status = { ...total.sum.status };
  for (const name of CLASSES) status[name] = left(({ sum }) => sum.status[name]);
  const [bytes_in, bytes_out] = [left(({ sum }) => sum.bytes_in), left(({ sum }) => sum.bytes_out)];
  const sum: Sum = { ...ratios(status, seconds), status, ...UNMEASURED, bytes_in, bytes_out };
  const requests = total.points.requests.map((_, index) => left(({ points }) => points.requests[index] ?? 0));
  return sum.requests < 1 ? [] : [{ id: "*", name: "others", sum, points: { ...NO_POINTS, requests } }];
}

function classOf({ code = "" }: Labels): StatusClass {
  return CLASSES.find((name) => name === `${code.charAt(0)}xx`) ?? "other";
}

/** Rates per second over time as counts per step. */
function counts(found: Found, times: Times, steps: number): number[] {
  return measured(found, times, steps).map((rate) => (rate ?? 0) * times.step);
}

/** One number per step, null where nothing was measured. What is told at a moment is about the step that ends then. */
function measured(found: Found | undefined, { from, step }: Times, steps: number): (number | null)[] {
  const points = Array<number | null>(steps).fill(null);
  for (const [at, value] of found?.values ?? []) {
    const index = Math.round((at - from) / step) - 1;
    if (index >= 0 && index < steps) points[index] = finite(value);
  }
  return points;
}

function added(lines: readonly (readonly number[])[], steps: number): number[] {
  return Array.from({ length: steps }, (_, index) => lines.reduce((all, line) => all + (line[index] ?? 0), 0));
}

function valueOf(found: Found | undefined): number | null {
  return found?.value === undefined ? null : finite(found.value[1]);
}

/** Prometheus also says NaN, +Inf and -Inf. */
function finite(value: string): number | null {
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}
