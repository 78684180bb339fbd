/** Everything that was done to a service in a gateway group. */
import { useQuery } from "@tanstack/react-query";

import { groupsQuery } from "@/api/queries";
import type { HistoryEntry } from "@/api/shapes";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Loaded } from "@/ui/Loaded";
import { Time } from "@/ui/Time";

import { historyQuery } from "./queries";

function columnsOf(named: (groupId: string) => string): Column<HistoryEntry>[] {
  return [
    {
      id: "when",
      header: t.service.when,
      accessorFn: (entry) => entry.revision,
      cell: ({ row }) => <Time at={row.original.publish_time} />,
    },
    { id: "action", header: t.service.action, accessorKey: "action" },
    { id: "version", header: t.service.version, accessorFn: (entry) => entry.version ?? "" },
    { id: "operator", header: t.service.by, accessorKey: "operator" },
    { id: "from", header: t.service.from, accessorFn: ({ source_gateway_group_id: id }) => (id ? named(id) : "") },
    { id: "note", header: t.service.note, accessorKey: "note", enableSorting: false },
    { id: "revision", header: t.group.revision, accessorKey: "revision" },
  ];
}

export function HistoryTable({ groupId, serviceId }: { groupId: string; serviceId: string }) {
  const history = useQuery(historyQuery(groupId, serviceId));
  const names = new Map((useQuery(groupsQuery).data ?? []).map((group) => [group.id, group.name]));
  return (
    <Loaded query={history}>
      {(list) =>
        list.length === 0 ? (
          <Empty title={t.service.noHistory} said={t.service.noVersionsHint} />
        ) : (
          <DataTable
            label={t.service.tabs.history}
            rows={list}
            columns={columnsOf((id) => names.get(id) ?? id)}
            rowId={(entry) => entry.id}
            text={(entry) => [entry.action, entry.version, entry.operator, entry.note].join(" ")}
          />
        )
      }
    </Loaded>
  );
}
