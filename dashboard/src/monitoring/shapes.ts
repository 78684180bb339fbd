/** Figures of traffic as the API tells them. */

export const CLASSES = ["other", "2xx", "3xx", "4xx", "5xx"] as const;
/** Of status codes; `other`: 1xx, and requests whose clients left without an answer. */
export type StatusClass = (typeof CLASSES)[number];

export const PERCENTILES = ["50", "95", "99"] as const;
type Latencies<T> = Record<`latency_p${(typeof PERCENTILES)[number]}_ms`, T>;

/** What all requests come to; a latency is null where none was measured. */
export interface Sum extends Latencies<number | null> {
  requests: number;
  requests_per_second: number;
  status: Record<StatusClass, number>;
  error_ratio: number;
  bytes_in: number;
  bytes_out: number;
}

/** One item per step. */
export interface Points extends Latencies<(number | null)[]> {
  requests: number[];
  status: Record<StatusClass, number[]>;
  bytes_in: number[];
  bytes_out: number[];
}

export interface Series {
  gateway_group_id?: string;
  /** Empty for what no route has served. */
  service_id?: string;
  /** Of what it is about; `*`: all others together; empty: none. */
  id: string;
  name: string;
  sum: Sum;
  points: Points;
}

export interface Traffic {
  from: number;
  to: number;
  /** Seconds. */
  step: number;
  at: number[];
  total: Series;
  series: Series[];
}

export type GroupNow = Sum & { gateway_group_id: string; name: string; window_seconds: number };

/** One request of the sample that is kept. */
export interface Entry {
  at: number;
  instance_id: string;
  service_id: string;
  route_id: string;
  consumer: string;
  method: string;
  host: string;
  path: string;
  status: number;
  latency_ms: number;
  bytes_in: number;
  bytes_out: number;
  upstream: string;
  details: string;
}
