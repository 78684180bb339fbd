/** What the address of a monitoring page says: which time, which traffic, and by what it is told apart. */
export const RANGES = {
  "15m": 900,
  "1h": 3600,
  "3h": 10_800,
  "12h": 43_200,
  "24h": 86_400,
  "7d": 604_800,
  "30d": 2_592_000,
} as const;
export type Range = keyof typeof RANGES;

/** Where figures come from: the store that is there always, and keeps them for a day, or a Prometheus. */
export const SOURCES = ["built_in", "prometheus"] as const;
export type Source = (typeof SOURCES)[number];
const KEPT = RANGES["24h"];

export const BY = ["none", "gateway_group", "service", "route", "consumer", "instance"] as const;
export type By = (typeof BY)[number];

/** What figures are kept by; only one of them can be asked for at a time. */
export const NAMED = ["route", "consumer", "instance"] as const;

/** How often figures are asked for anew, in seconds; 0 for never. */
export const REFRESH = [0, 5, 15, 60] as const;
export type Refresh = (typeof REFRESH)[number];

export interface MonitoringSearch {
  tab?: "requests" | undefined;
  /** Without it Prometheus if one is set. */
  source?: Source | undefined;
  range?: Range | undefined;
  /** Unix seconds; both instead of `range`. */
  from?: number | undefined;
  to?: number | undefined;
  by?: By | undefined;
  service?: string | undefined;
  route?: string | undefined;
  consumer?: string | undefined;
  instance?: string | undefined;
  /** A code as 503 or a class as 5xx; only of single requests. */
  status?: string | undefined;
  page?: number | undefined;
  refresh?: Refresh | undefined;
}

/** The search of an address, whoever wrote it. */
export function monitoringSearch(given: Record<string, unknown>): MonitoringSearch {
  const [from, to] = [count(given["from"]), count(given["to"])];
  const custom = from !== undefined && to !== undefined && from < to;
  const status = text(given["status"]);
  return {
    tab: given["tab"] === "requests" ? "requests" : undefined,
    source: SOURCES.find((source) => source === given["source"]),
    range: Object.keys(RANGES).find((range): range is Range => range === given["range"]),
    ...(custom ? { from, to } : {}),
    by: BY.find((by) => by === given["by"]),
    service: text(given["service"]),
    route: text(given["route"]),
    consumer: text(given["consumer"]),
    instance: text(given["instance"]),
    status: status && /^[1-5](xx|\d\d)$/.test(status) ? status : undefined,
    page: count(given["page"]),
    refresh: REFRESH.find((each) => each === given["refresh"]),
  };
}

/** Begin and end in Unix seconds; a range ends now. */
export function span({ range = "1h", from, to }: MonitoringSearch, now: number): { from: number; to: number } {
  return from !== undefined && to !== undefined ? { from, to } : { from: now - RANGES[range], to: now };
}

/** The ranges that a source has figures of. */
export function rangesOf(source: Source): Range[] {
  const all = Object.keys(RANGES) as Range[];
  return source === "prometheus" ? all : all.filter((range) => RANGES[range] <= KEPT);
}

/** A search that the source can answer: its longest range in place of a longer one. */
export function within(search: MonitoringSearch, source: Source): MonitoringSearch {
  const { range } = search;
  return range === undefined || rangesOf(source).includes(range) ? search : { ...search, range: "24h" };
}

/** Which of the names that figures are kept by is asked for, if one is. */
export function chosen(search: MonitoringSearch): (typeof NAMED)[number] | undefined {
  return NAMED.find((name) => search[name] !== undefined);
}

function text(given: unknown): string | undefined {
  if (typeof given === "number") return String(given);
  return typeof given === "string" && given ? given : undefined;
}

function count(given: unknown): number | undefined {
  return typeof given === "number" && Number.isInteger(given) && given > 0 ? given : undefined;
}
