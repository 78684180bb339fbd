/** Traffic over time as charts, and in figures by what it is told apart by. */
import { Button, Group, Paper, Select, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { EChartsCoreOption } from "echarts/core";

import { t } from "@/texts";
import { Chart } from "@/ui/Chart";
import { Empty } from "@/ui/Empty";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loaded } from "@/ui/Loaded";

import { bandwidth, latencies, requests, statuses } from "./charts";
import { bytes, count, milliseconds, percent, rate } from "./figures";
import type { MonitoringProps, SourcedProps } from "./MonitoringPage";
import { trafficQuery } from "./queries";
import { type By, BY, chosen } from "./search";
import { SeriesTable } from "./SeriesTable";
import type { Sum, Traffic } from "./shapes";

const words = t.monitoring;
type Figure = [name: string, said: string];

export function TrafficTab({ groupId, search, source, onChange }: SourcedProps) {
  const by = search.by ?? (groupId === undefined ? "gateway_group" : "service");
  const traffic = useQuery(trafficQuery(groupId, search, by, source));
  const choices = BY.filter((each) => groupId === undefined || each !== "gateway_group");
  return (
    <Stack>
      {!chosen(search) && (
        <Select
          label={words.by}
          data={choices.map((value) => ({ value, label: words.bys[value] }))}
          value={by}
          onChange={(value) => onChange({ ...search, by: value ?? undefined })}
          allowDeselect={false}
          w={200}
        />
      )}
      {source === "prometheus" && traffic.error ? (
        <Silent
          error={traffic.error}
          onRetry={() => void traffic.refetch()}
          onLeave={() => onChange({ ...search, source: "built_in" })}
        />
      ) : (
        <Loaded query={traffic} lines={8}>
          {(found) =>
            found.total.sum.requests === 0 ? (
              <Empty title={words.empty} said={words.emptyHints[source]} />
            ) : (
              <Shown traffic={found} by={by} groupId={groupId} search={search} onChange={onChange} />
            )
          }
        </Loaded>
      )}
    </Stack>
  );
}

/** Prometheus says nothing: why, and the way to the figures that are there always. */
function Silent({ error, onRetry, onLeave }: { error: Error; onRetry: () => void; onLeave: () => void }) {
  return (
    <>
      <ErrorNote error={error} onRetry={onRetry} />
      <Group>
        <Button variant="default" onClick={onLeave}>
          {words.toBuiltIn}
        </Button>
      </Group>
    </>
  );
}

function Shown({ traffic, by, ...props }: MonitoringProps & { traffic: Traffic; by: By }) {
  const { sum } = traffic.total;
  const said = words.summary(count(sum.requests), percent(sum.error_ratio), milliseconds(sum.latency_p99_ms));
  return (
    <>
      <Summary sum={sum} />
      <SimpleGrid type="container" cols={{ base: 1, "800px": 2 }}>
        <Drawing title={words.perSecond} said={said} options={requests(traffic)} />
        <Drawing title={words.statuses} said={said} options={statuses(traffic)} />
        <Drawing title={words.latency} said={said} options={latencies(traffic)} />
        <Drawing title={words.bandwidth} said={said} options={bandwidth(traffic)} />
      </SimpleGrid>
      <SeriesTable traffic={traffic} by={by} {...props} />
    </>
  );
}

function Summary({ sum }: { sum: Sum }) {
  const figures: Figure[] = [
    [words.requests, count(sum.requests)],
    [words.perSecond, rate(sum.requests_per_second)],
    [words.errors, percent(sum.error_ratio)],
    [words.p50, milliseconds(sum.latency_p50_ms)],
    [words.p99, milliseconds(sum.latency_p99_ms)],
    [words.sent, bytes(sum.bytes_out)],
  ];
  return (
    <Group gap="xl">
      {figures.map(([name, said]) => (
        <div key={name}>
          <Text size="xs" c="dimmed">
            {name}
          </Text>
          <Text size="xl" fw={600}>
            {said}
          </Text>
        </div>
      ))}
    </Group>
  );
}

function Drawing({ title, said, options }: { title: string; said: string; options: EChartsCoreOption }) {
  return (
    <Paper withBorder p="sm" component="section" aria-label={title}>
      <Title order={2} size="h5" pb="xs">
        {title}
      </Title>
      <Chart label={words.chart(title, said)} options={options} height={220} />
    </Paper>
  );
}
