/** The figures of each service, route, consumer, instance or gateway group; its name leads to its traffic alone. */
import { Anchor, Text } from "@mantine/core";

import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Go } from "@/ui/Go";

import { bytes, count, milliseconds, percent, rate } from "./figures";
import type { MonitoringProps } from "./MonitoringPage";
import { type By, chosen, type MonitoringSearch } from "./search";
import type { Series, Sum, Traffic } from "./shapes";

const words = t.monitoring;

export function SeriesTable({ traffic, by, groupId, search, onChange }: MonitoringProps & { traffic: Traffic; by: By }) {
  const rows = traffic.series.length > 0 ? traffic.series : [{ ...traffic.total, name: words.all }];
  const apart = chosen(search) ? "none" : by;
  return (
    <DataTable
      label={words.bys[apart] === words.bys.none ? words.all : words.bys[apart]}
      rows={rows}
      columns={columnsOf({ by: apart, groupId, search, onChange })}
      rowId={({ gateway_group_id = "", service_id = "", id }) => [gateway_group_id, service_id, id].join("/")}
      sort={{ id: "requests", desc: true }}
      maxHeight="50vh"
    />
  );
}

function columnsOf(props: MonitoringProps & { by: By }): Column<Series>[] {
  const figure = (id: string, header: string, of: (sum: Sum) => number | null, said: (value: number) => string) => ({
    id,
    header,
    accessorFn: ({ sum }: Series) => of(sum) ?? -1,
    cell: ({ row }: { row: { original: Series } }) => {
      const found = of(row.original.sum);
      return found === null ? "–" : said(found);
    },
  });
  return [
    {
      id: "name",
      header: t.common.name,
      accessorFn: nameOf,
      cell: ({ row }) => <Name series={row.original} {...props} />,
    },
    figure("requests", words.requests, (sum) => sum.requests, count),
    figure("rate", words.perSecond, (sum) => sum.requests_per_second, rate),
    figure("4xx", words.status["4xx"], (sum) => sum.status["4xx"], count),
    figure("5xx", words.status["5xx"], (sum) => sum.status["5xx"], count),
    figure("errors", words.errors, (sum) => sum.error_ratio, percent),
    figure("p50", words.p50, (sum) => sum.latency_p50_ms, milliseconds),
    figure("p95", words.p95, (sum) => sum.latency_p95_ms, milliseconds),
    figure("p99", words.p99, (sum) => sum.latency_p99_ms, milliseconds),
    figure("in", words.bytesIn, (sum) => sum.bytes_in, bytes),
    figure("out", words.bytesOut, (sum) => sum.bytes_out, bytes),
  ];
}

function nameOf({ id, name }: Series): string {
  return id === "*" ? words.others : name || words.unnamed;
}

function Name({ series, by, groupId, search, onChange }: MonitoringProps & { series: Series; by: By }) {
  const { id, gateway_group_id: group } = series;
  const name = nameOf(series);
  if (by === "none" || id === "*" || id === "") {
    return (
      <Text size="sm" className="break">
        {id === "" && by === "consumer" ? words.noConsumer : id === "" && by !== "none" ? words.noRoute : name}
      </Text>
    );
  }
  if (groupId === undefined && group !== undefined) {
    return (
      <Go to="/groups/$groupId/monitoring" params={{ groupId: group }} search={only(by, id, search)} size="sm" className="break">
        {name}
      </Go>
    );
  }
  return (
    <Anchor
      component="button"
      type="button"
      size="sm"
      className="break"
      aria-label={words.look(name)}
      onClick={() => onChange(only(by, id, search))}
    >
      {name}
    </Anchor>
  );
}

/** One step closer: a service's routes, a route's traffic alone. */
function only(by: By, id: string, search: MonitoringSearch): MonitoringSearch {
  if (by === "gateway_group") return { ...search, by: "service" };
  return by === "service" ? { ...search, service: id, by: "route" } : { ...search, [by]: id, by: undefined };
}
