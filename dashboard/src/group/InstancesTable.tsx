/** Instances of a gateway group, each with what it runs and how far behind it is. */
import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import type { Instance } from "@/api/shapes";
import { LOOK } from "@/fleet/standing";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Expiry } from "@/ui/Expiry";
import { Labels } from "@/ui/Labels";
import { State } from "@/ui/State";
import { ago, Time } from "@/ui/Time";

/** Instances renew their certificates long before: one that is left this short does not get through to a DP Manager. */
const CERTIFICATE_DAYS = 7;

const COLUMNS: Column<Instance>[] = [
  {
    id: "hostname",
    header: t.group.hostname,
    accessorKey: "hostname",
    cell: ({ row: { original } }) => (
      <Stack gap={2}>
        <span className="break">{original.hostname}</span>
        <Labels labels={original.labels} />
      </Stack>
    ),
  },
  { id: "ip", header: t.group.address, accessorKey: "ip" },
  {
    id: "status",
    header: t.group.state,
    accessorKey: "status",
    cell: ({ row }) => <Status instance={row.original} />,
  },
  {
    id: "version",
    header: t.group.version,
    accessorKey: "version",
    cell: ({ row }) => <Version instance={row.original} />,
  },
  {
    id: "lag",
    header: t.group.lag,
    accessorKey: "revision_lag",
    cell: ({ row }) => <Lag instance={row.original} />,
  },
  {
    id: "heartbeat",
    header: t.group.heartbeat,
    accessorKey: "last_heartbeat_time",
    cell: ({ row }) => <Time at={row.original.last_heartbeat_time} />,
  },
  {
    id: "certificate",
    header: t.group.certificate,
    accessorFn: (instance) => instance.dataplane_certificate_expire_time ?? 0,
    cell: ({ row: { original } }) =>
      original.dataplane_certificate_expire_time === undefined ? (
        t.common.unknown
      ) : (
        <Expiry at={original.dataplane_certificate_expire_time} soon={CERTIFICATE_DAYS} />
      ),
  },
];

interface Props {
  instances: Instance[];
  /** What the table calls itself. */
  label?: string;
  /** Columns before the others. */
  first?: Column<Instance>[];
  /** Further filters beside the one for text. */
  tools?: ReactNode;
  maxHeight?: number | string;
  /** What can be done with one, at the end of its row. */
  actions?: (instance: Instance) => ReactNode;
}

export function InstancesTable({ instances, label = t.group.instances, first = [], tools, maxHeight = 420, actions }: Props) {
  const last: Column<Instance> = {
    id: "actions",
    header: t.common.actions,
    enableSorting: false,
    cell: ({ row }) => actions?.(row.original),
  };
  return (
    <DataTable
      label={label}
      rows={instances}
      columns={[...first, ...COLUMNS, ...(actions ? [last] : [])]}
      rowId={(instance) => instance.id}
      sort={{ id: "hostname", desc: false }}
      text={textOf}
      tools={tools}
      maxHeight={maxHeight}
    />
  );
}

function textOf({ hostname, ip, version, id, labels }: Instance): string {
  return [hostname, ip, version, id, ...Object.entries(labels).map((pair) => pair.join(":"))].join(" ");
}

function Status({ instance: { status, to_be_deleted_at: end } }: { instance: Instance }) {
  return (
    <Stack gap={2}>
      <State look={LOOK[status]}>{t.fleet.states[status]}</State>
      {end !== undefined && (
        <Text size="xs" c="dimmed">
          {t.instance.deleted(ago(end))}
        </Text>
      )}
    </Stack>
  );
}

function Version({ instance: { version, expected_version: wanted } }: { instance: Instance }) {
  if (version === wanted) return version;
  return (
    <Stack gap={2}>
      {version}
      <State look="warning">{t.instance.wants(wanted)}</State>
    </Stack>
  );
}

function Lag({ instance }: { instance: Instance }) {
  const problems = Object.entries(instance.problems);
  return (
    <Stack gap={2}>
      <Text size="sm">{t.group.lagging(instance.revision_lag)}</Text>
      {instance.pending && (
        <Text size="xs" c="dimmed">
          {instance.pending}
        </Text>
      )}
      {problems.map(([resource, reason]) => (
        <Text key={resource} size="xs" c="var(--mantine-color-error)" className="break">
          {resource}: {reason}
        </Text>
      ))}
    </Stack>
  );
}
