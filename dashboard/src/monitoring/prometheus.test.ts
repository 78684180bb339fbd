import { expect, test } from "vitest";

import { type Answers, trafficOf } from "./fromPrometheus";
import { namingOf, onlyOf } from "./names";
import { questions, timesOf } from "./promql";
import type { Series } from "./shapes";

test("any time has some hundred points of whole steps that end when it ends", () => {
  expect(timesOf({ from: 0, to: 900 })).toEqual({ from: 0, to: 900, step: 60 });
  expect(timesOf({ from: 0, to: 2_592_000 }).step).toBe(21_600);
  for (const span of [1, 61, 5000, 86_399, 604_801, 40_000_000]) {
    const { from, to, step } = timesOf({ from: 1_700_000_000, to: 1_700_000_000 + span });
    expect(to).toBe(1_700_000_000 + span);
    expect(from).toBeLessThanOrEqual(1_700_000_000);
    expect((to - from) % step).toBe(0);
    expect((to - from) / step).toBeLessThanOrEqual(120);
  }
});

test("questions name nothing but what is looked at, whatever it is called", () => {
  const times = { from: 0, to: 3600, step: 60 };
  const { statuses, requests } = questions({}, "none", times);
  expect(statuses).toBe('sum by (code) (rate(apisix_http_status{gateway_group_id!=""}[240s]))');
  expect(requests).toBeUndefined();
  const only = { gateway_group_id: ["default"], service: ['a"b\\', "c.d|e"] };
  const asked = questions(only, "route", { ...times, step: 300 });
  const selector = '{gateway_group_id="default",service=~"a\\"b\\\\\\\\|c\\\\.d\\\\|e"}';
  const labels = "gateway_group_id, service, route";
  expect(asked.requests).toBe(
    `sum by (${labels}) (rate(apisix_http_status${selector}[300s]))` +
      ` and on (${labels}) topk(10, sum by (${labels}) (increase(apisix_http_status${selector}[3600s] @ end())))`,
  );
});

const GROUP = { gateway_group_id: "default" };
const SHOP = { ...GROUP, service: "Shop" };
const answers: Answers = {
  statuses: [
    { metric: { code: "200" }, values: [[60, "1"], [120, "0.5"]] },
    { metric: { code: "204" }, values: [[120, "0.5"]] },
    { metric: { code: "0" }, values: [[180, "0.1"]] },
  ],
  requests: [{ metric: SHOP, values: [[60, "1"]] }],
  bandwidth: [{ metric: { type: "egress" }, values: [[60, "100"]] }],
  latencies: [{ metric: { part: "99" }, values: [[60, "12.5"], [120, "NaN"]] }],
  statusSums: [
    { metric: { whole: "1", code: "200" }, value: [180, "99.6"] },
    { metric: { whole: "1", code: "503" }, value: [180, "100"] },
    { metric: { ...SHOP, code: "200" }, value: [180, "60"] },
    { metric: { ...GROUP, code: "404" }, value: [180, "20"] },
  ],
  bandwidthSums: [{ metric: { whole: "1", type: "ingress" }, value: [180, "77"] }],
  latencySums: [{ metric: { ...SHOP, part: "50" }, value: [180, "3"] }],
};

test("answers become the traffic that the built-in store would tell", () => {
  const known = [{ ...GROUP, id: "shop-1", name: "Shop", service_id: "shop-1" }] as Series[];
  const traffic = trafficOf(answers, "service", { from: 0, to: 180, step: 60 }, namingOf("service", known));
  expect(traffic.at).toEqual([0, 60, 120]);
  expect(traffic.total.points.requests).toEqual([60, 60, 6]);
  expect(traffic.total.points.status["2xx"]).toEqual([60, 60, 0]);
  expect(traffic.total.points.status.other).toEqual([0, 0, 6]);
  expect(traffic.total.points.bytes_out).toEqual([6000, 0, 0]);
  expect(traffic.total.points.latency_p99_ms).toEqual([12.5, null, null]);
  expect(traffic.total.sum).toMatchObject({ requests: 200, error_ratio: 0.5, bytes_in: 77, latency_p50_ms: null });
  expect(traffic.series.map(({ id, name, sum }) => [id, name, sum.requests])).toEqual([
    ["shop-1", "Shop", 60],
    ["", "", 20],
  ]);
  expect(traffic.series[0]?.sum.latency_p50_ms).toBe(3);
  expect(traffic.series[0]?.points.requests).toEqual([60, 0, 0]);
});

test("what is not among the ten is told as one", () => {
  const many = Array.from({ length: 10 }, (_, index) => ({
    metric: { ...GROUP, service: `s${index}`, code: "200" },
    value: [180, "10"] as const,
  }));
  const statusSums = [...answers.statusSums.slice(0, 2), ...many];
  const { series } = trafficOf({ ...answers, statusSums }, "service", { from: 0, to: 180, step: 60 }, namingOf("service", []));
  expect(series).toHaveLength(11);
  expect(series[10]).toMatchObject({ id: "*", sum: { requests: 100, error_ratio: 1 } });
});

test("who asks for an id also gets what was counted under its name", () => {
  const known = { service: [{ id: "shop-1", name: "Shop" }] as Series[], route: [] };
  const search = { service: "shop-1", route: "r1" };
  expect(onlyOf("default", search, known)).toEqual({ gateway_group_id: ["default"], service: ["shop-1", "Shop"], route: ["r1"] });
});
