/** Gateway groups as a table. */
import { TrafficNow } from "@/monitoring/TrafficNow";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";

import { Convergence } from "./Convergence";
import { InstanceStates } from "./InstanceStates";
import type { Standing } from "./standing";
import { Versions } from "./Versions";

const COLUMNS: Column<Standing>[] = [
  {
    id: "name",
    header: t.common.name,
    accessorFn: (standing) => standing.group.name,
    cell: ({ row }) => (
      <Go to="/groups/$groupId" params={{ groupId: row.original.group.id }}>
        {row.original.group.name}
      </Go>
    ),
  },
  {
    id: "labels",
    header: t.common.labels,
    enableSorting: false,
    cell: ({ row }) => <Labels labels={row.original.group.labels} />,
  },
  {
    id: "convergence",
    header: t.fleet.convergence,
    accessorFn: (standing) => (standing.counted === 0 ? 1 : standing.live / standing.counted),
    cell: ({ row }) => <Convergence standing={row.original} />,
  },
  {
    id: "traffic",
    header: t.monitoring.traffic,
    enableSorting: false,
    cell: ({ row }) => <TrafficNow groupId={row.original.group.id} />,
  },
  {
    id: "instances",
    header: t.fleet.instances,
    accessorFn: (standing) => standing.instances.length,
    cell: ({ row }) => <InstanceStates standing={row.original} />,
  },
  {
    id: "services",
    header: t.fleet.services,
    accessorFn: (standing) => standing.services.length,
    cell: ({ row }) => <Versions standing={row.original} most={6} />,
  },
];

export function GroupTable({ standings }: { standings: Standing[] }) {
  return (
    <DataTable
      label={t.fleet.groupsTotal}
      rows={standings}
      columns={COLUMNS}
      rowId={(standing) => standing.group.id}
      sort={{ id: "name", desc: false }}
    />
  );
}
