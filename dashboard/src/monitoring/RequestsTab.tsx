/** Single requests, latest first: a sample of all, more of those that failed. */
import { Group, Pagination, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { servicesQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { type Look, State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { milliseconds } from "./figures";
import { entriesQuery, ENTRIES } from "./queries";
import type { MonitoringSearch } from "./search";
import type { Entry } from "./shapes";

const words = t.monitoring;
const STATUSES = ["2xx", "3xx", "4xx", "5xx"] as const;
const CODES = ["400", "401", "403", "404", "429", "499", "500", "502", "503", "504"];

interface Props {
  groupId: string;
  search: MonitoringSearch;
  onChange: (search: MonitoringSearch) => void;
}

export function RequestsTab({ groupId, search, onChange }: Props) {
  const entries = useQuery(entriesQuery(groupId, search));
  const services = useQuery(servicesQuery(groupId)).data ?? [];
  const change = (part: MonitoringSearch) => onChange({ ...search, page: undefined, ...part });
  const named = services.map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Stack>
      <Group align="flex-end" gap="sm">
        <Select
          label={words.only.status}
          placeholder={words.anyStatus}
          data={[...STATUSES, ...CODES]}
          value={search.status ?? null}
          onChange={(status) => change({ status: status ?? undefined })}
          searchable
          clearable
          w={140}
        />
        <Select
          label={words.only.service}
          placeholder={t.common.all}
          data={named}
          value={search.service ?? null}
          onChange={(service) => change({ service: service ?? undefined })}
          searchable
          clearable
          w={240}
        />
      </Group>
      <Loaded query={entries} lines={8}>
        {({ list, total }) =>
          total === 0 ? (
            <Empty title={words.entriesEmpty} said={words.entriesHint} />
          ) : (
            <>
              <DataTable
                label={words.single}
                rows={list}
                columns={columnsOf(groupId, (id) => services.find((each) => each.id === id)?.name ?? id)}
                rowId={(entry) => `${entry.at} ${entry.instance_id} ${entry.path} ${list.indexOf(entry)}`}
                maxHeight="60vh"
              />
              <Group justify="space-between">
                <Text size="sm" c="dimmed" role="status">
                  {words.total(total)}
                </Text>
                {total > ENTRIES && (
                  <Pagination
                    aria-label={words.pages}
                    size="sm"
                    total={Math.ceil(total / ENTRIES)}
                    value={search.page ?? 1}
                    onChange={(page) => onChange({ ...search, page: page > 1 ? page : undefined })}
                    getControlProps={(control) => ({ "aria-label": control === "next" ? t.common.next : t.common.back })}
                    getItemProps={(page) => ({ "aria-label": String(page) })}
                  />
                )}
              </Group>
            </>
          )
        }
      </Loaded>
    </Stack>
  );
}

function look(status: number): Look {
  return status === 0 || status >= 500 ? "bad" : status >= 400 ? "warning" : "good";
}

function columnsOf(groupId: string, serviceName: (id: string) => string): Column<Entry>[] {
  return [
    { id: "when", header: words.when, accessorKey: "at", cell: ({ row }) => <Time at={row.original.at} /> },
    {
      id: "request",
      header: words.request,
      accessorFn: ({ host, path }) => host + path,
      cell: ({ row: { original: entry } }) => (
        <span className="break">
          {entry.method} {entry.host}
          {entry.path}
        </span>
      ),
    },
    {
      id: "status",
      header: words.answered,
      accessorKey: "status",
      cell: ({ row }) => {
        const { status } = row.original;
        return <State look={look(status)}>{status === 0 ? words.noAnswer : String(status)}</State>;
      },
    },
    { id: "took", header: words.took, accessorKey: "latency_ms", cell: ({ row }) => milliseconds(row.original.latency_ms) },
    {
      id: "service",
      header: words.only.service,
      accessorFn: ({ service_id }) => serviceName(service_id),
      cell: ({ row: { original: entry } }) =>
        entry.service_id ? (
          <Go
            to="/groups/$groupId/services/$serviceId"
            params={{ groupId, serviceId: entry.service_id }}
            search={{ edit: entry.route_id || undefined }}
            size="sm"
            className="break"
          >
            {serviceName(entry.service_id)}
          </Go>
        ) : (
          words.noRoute
        ),
    },
    { id: "consumer", header: words.only.consumer, accessorKey: "consumer" },
    {
      id: "upstream",
      header: words.upstream,
      accessorFn: ({ upstream }) => upstream || words.gateway,
    },
    { id: "details", header: words.details, accessorKey: "details", cell: ({ row }) => <span className="break">{row.original.details}</span> },
  ];
}
