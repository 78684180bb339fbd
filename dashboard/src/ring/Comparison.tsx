/** A ring's members beside the rest: their numbers now, and as charts over the ring's life. */
import { Group, Select, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useMemo } from "react";

import { t } from "@/texts";
import { Chart } from "@/ui/Chart";
import { Empty } from "@/ui/Empty";

import type { Comparison as Told, Figures, Point, Rule, WatchedRing } from "./queries";

const CHARTS = [
  { label: t.ring.perSecond, metric: undefined, of: (side: Figures, seconds: number) => side.requests / seconds },
  {
    label: t.ring.errorPercent,
    metric: "5xx_ratio",
    of: (side: Figures) => (side.requests ? side.error_ratio * 100 : null),
  },
  { label: t.ring.p99Ms, metric: "latency_p99_ms", of: (side: Figures) => side.latency_p99_ms },
] as const;

const FEW = 20;

interface Props {
  ring: WatchedRing;
  serviceId: string | undefined;
  onService: (serviceId: string | undefined) => void;
}

export function Comparison({ ring, serviceId, onService }: Props) {
  const { comparison, services, rule } = ring;
  const counted = comparison.series.some((point) => point.ring.requests + point.rest.requests > 0);
  return (
    <Stack>
      <Group justify="space-between" align="flex-end">
        <Text size="sm" c="dimmed">
          {t.ring.last(comparison.window_seconds)}
        </Text>
        {services.length > 1 && (
          <Select
            label={t.ring.ofService}
            placeholder={t.ring.allServices}
            data={services.map(({ service_id: value, name: label }) => ({ value, label }))}
            value={serviceId ?? null}
            onChange={(value) => onService(value ?? undefined)}
            clearable
          />
        )}
      </Group>
      <Numbers comparison={comparison} />
      {counted ? (
        <SimpleGrid cols={{ base: 1, md: 3 }}>
          {CHARTS.map((chart) => (
            <Line key={chart.label} chart={chart} series={comparison.series} rule={rule} />
          ))}
        </SimpleGrid>
      ) : (
        <Empty title={t.ring.noTraffic} said={t.ring.noTrafficHint} />
      )}
    </Stack>
  );
}

function Numbers({ comparison }: { comparison: Told }) {
  const sides: [string, Figures][] = [
    [t.ring.inRing, comparison.ring],
    [t.ring.inRest, comparison.rest],
  ];
  return (
    <Table.ScrollContainer minWidth={520} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
      <Table aria-label={t.ring.comparison}>
        <Table.Thead>
          <Table.Tr>
            <Table.Td />
            <Table.Th>{t.ring.requests}</Table.Th>
            <Table.Th>{t.ring.errors}</Table.Th>
            <Table.Th>{t.ring.p50}</Table.Th>
            <Table.Th>{t.ring.p99}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sides.map(([name, side]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{side.requests}</Table.Td>
              <Table.Td>{`${side.errors} (${(side.error_ratio * 100).toFixed(2)} %)`}</Table.Td>
              <Table.Td>{milliseconds(side.latency_p50_ms)}</Table.Td>
              <Table.Td>{milliseconds(side.latency_p99_ms)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function milliseconds(value: number | null): string {
  return value === null ? "–" : `${value.toFixed(1)} ms`;
}

function Line({ chart, series, rule }: { chart: (typeof CHARTS)[number]; series: Point[]; rule: Rule | null }) {
  const options = useMemo(() => optionsOf(chart, series, limitOf(chart, rule)), [chart, series, rule]);
  return (
    <Stack gap={4}>
      <Text size="sm" fw={600}>
        {chart.label}
      </Text>
      <Chart label={chart.label} options={options} height={220} />
    </Stack>
  );
}

/** Where a chart shows the rule's limit: only if it is a value of what the chart shows. */
function limitOf(chart: (typeof CHARTS)[number], rule: Rule | null): number | undefined {
  if (!rule || rule.compare === "rest" || chart.metric !== rule.metric) return undefined;
  return rule.metric === "5xx_ratio" ? rule.threshold * 100 : rule.threshold;
}

function optionsOf(chart: (typeof CHARTS)[number], series: Point[], limit: number | undefined) {
  const step = (series[1]?.at ?? 0) - (series[0]?.at ?? 0) || 1;
  const line = (name: string, side: "ring" | "rest", type: "solid" | "dashed") => ({
    name,
    type: "line",
    // a line needs two points
    showSymbol: series.length < FEW,
    connectNulls: true,
    lineStyle: { type },
    data: series.map((point) => [point.at * 1000, chart.of(point[side], step)]),
  });
  const mark = {
    silent: true,
    symbol: "none",
    label: { formatter: t.ring.limit, position: "insideEndTop" },
    lineStyle: { type: "dotted" },
    data: [{ yAxis: limit }],
  };
  return {
    grid: { left: 8, right: 16, top: 32, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0 },
    xAxis: { type: "time", splitNumber: 3, axisLabel: { hideOverlap: true } },
    yAxis: { type: "value", min: 0, ...(limit === undefined ? {} : { max: reaching(limit) }) },
    series: [
      { ...line(t.ring.inRing, "ring", "solid"), ...(limit === undefined ? {} : { markLine: mark }) },
      line(t.ring.inRest, "rest", "dashed"),
    ],
  };
}

/** A scale that has the limit in its middle while everything stays below it. */
function reaching(limit: number) {
  return ({ max }: { max: number }) => Math.max(max, limit * 2);
}
