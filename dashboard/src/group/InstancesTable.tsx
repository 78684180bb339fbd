/** Instances of a gateway group, each with what it runs and how far behind it is. */
import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import type { Instance } from "@/api/shapes";
import { LOOK } from "@/fleet/standing";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

const COLUMNS: Column<Instance>[] = [
  { id: "hostname", header: t.group.hostname, accessorKey: "hostname" },
  { id: "ip", header: t.group.address, accessorKey: "ip" },
  {
    id: "status",
    header: t.group.state,
    accessorKey: "status",
    cell: ({ row }) => <State look={LOOK[row.original.status]}>{t.fleet.states[row.original.status]}</State>,
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
    cell: ({ row }) => <Time at={row.original.dataplane_certificate_expire_time} />,
  },
];

interface Props {
  instances: Instance[];
  maxHeight?: number | string;
  /** What can be done with one, at the end of its row. */
  actions?: (instance: Instance) => ReactNode;
}

export function InstancesTable({ instances, maxHeight = 420, actions }: Props) {
  const last: Column<Instance> = {
    id: "actions",
    header: t.common.actions,
    enableSorting: false,
    cell: ({ row }) => actions?.(row.original),
  };
  return (
    <DataTable
      label={t.group.instances}
      rows={instances}
      columns={actions ? [...COLUMNS, last] : COLUMNS}
      rowId={(instance) => instance.id}
      sort={[{ id: "hostname", desc: false }]}
      text={(instance) => `${instance.hostname} ${instance.ip} ${instance.version} ${instance.id}`}
      maxHeight={maxHeight}
    />
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
