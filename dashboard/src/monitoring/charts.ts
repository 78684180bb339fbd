/** Traffic as options of ECharts. */
import type { EChartsCoreOption } from "echarts/core";

import { t } from "@/texts";

import { bytes, count, milliseconds, rate } from "./figures";
import { CLASSES, PERCENTILES, type StatusClass, type Traffic } from "./shapes";

type Point = [number, number | null];
type Values = readonly (number | null)[];

/** Light enough for dark, dark enough for light; the sign and word of a status stand in the legend. */
const COLORS: Record<StatusClass, string> = {
  other: "#868e96",
  "2xx": "#2f9e44",
  "3xx": "#1c7ed6",
  "4xx": "#f08c00",
  "5xx": "#e03131",
};

/** Requests per second, a line for each of what they are told apart by. */
export function requests(traffic: Traffic): EChartsCoreOption {
  const lines = traffic.series.length > 0 ? traffic.series : [{ ...traffic.total, name: t.monitoring.all }];
  return {
    ...frame(rate),
    series: lines.map(({ name, points }) => line(name || t.monitoring.unnamed, drawn(traffic, points.requests, true))),
  };
}

/** How many requests were answered with which class of status in each step. */
export function statuses(traffic: Traffic): EChartsCoreOption {
  const { status } = traffic.total.points;
  const seen = CLASSES.filter((name) => status[name].some((each) => each > 0));
  return {
    ...frame(count),
    aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
    series: seen.map((name) => ({
      type: "bar",
      name: t.monitoring.status[name],
      stack: "status",
      barCategoryGap: "10%",
      itemStyle: { color: COLORS[name] },
      data: drawn(traffic, status[name]),
    })),
  };
}

export function latencies(traffic: Traffic): EChartsCoreOption {
  return {
    ...frame(milliseconds),
    series: PERCENTILES.map((part) => line(`p${part}`, drawn(traffic, traffic.total.points[`latency_p${part}_ms`]))),
  };
}

/** Bytes per second in and out. */
export function bandwidth(traffic: Traffic): EChartsCoreOption {
  const { bytes_in, bytes_out } = traffic.total.points;
  return {
    ...frame((each) => `${bytes(each)}/s`),
    series: [
      line(t.monitoring.bytesIn, drawn(traffic, bytes_in, true)),
      line(t.monitoring.bytesOut, drawn(traffic, bytes_out, true)),
    ],
  };
}

/** Points in time, per second if wanted: in the step that is not over yet only the seconds that are over count. */
export function drawn({ at, step, to }: Traffic, values: Values, perSecond = false): Point[] {
  return at.map((moment, index): Point => {
    const found = values[index] ?? null;
    const seconds = perSecond ? Math.max(Math.min(step, to - moment), 1) : 1;
    return [moment * 1000, found === null ? null : found / seconds];
  });
}

function line(name: string, data: Point[]) {
  return { type: "line", name, data, symbolSize: 3, connectNulls: false, lineStyle: { width: 2 } };
}

function frame(said: (value: number) => string): EChartsCoreOption {
  return {
    grid: { left: 8, right: 16, top: 16, bottom: 32, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: { type: "scroll", bottom: 0, icon: "roundRect" },
    tooltip: { valueFormatter: (value: unknown) => (typeof value === "number" ? said(value) : "–") },
    xAxis: { type: "time", axisLabel: { hideOverlap: true } },
    yAxis: { type: "value", min: 0, axisLabel: { formatter: said } },
  };
}
