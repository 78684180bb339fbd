/** The nodes of a gateway group's upstreams that some instance does not take for healthy. */
import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { servicesQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";

import { Address, Health, Why } from "./NodesTable";
import { type UnwellNode, unwellQuery } from "./queries";

export function Unwell({ groupId }: { groupId: string }) {
  const unwell = useQuery(unwellQuery(groupId));
  const services = useQuery({ ...servicesQuery(groupId), enabled: (unwell.data?.total ?? 0) > 0 }).data ?? [];
  const names = new Map(services.map((service) => [service.id, service.name]));
  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h4">
        {t.upstream.unwell}
      </Title>
      <Loaded query={unwell} lines={1}>
        {({ list, total }) =>
          total === 0 ? (
            <Text size="sm" c="dimmed">{t.upstream.allWell}</Text>
          ) : (
            <>
              {total > list.length && <Text size="sm">{t.upstream.first(list.length, total)}</Text>}
              <DataTable
                label={t.upstream.unwell}
                rows={list}
                columns={columnsOf(groupId, names)}
                rowId={(node) => `${node.service_id}/${node.upstream_id}/${node.host}:${node.port ?? ""}`}
                maxHeight="40vh"
              />
            </>
          )
        }
      </Loaded>
    </Stack>
  );
}

function columnsOf(groupId: string, names: ReadonlyMap<string, string>): Column<UnwellNode>[] {
  const named = (node: UnwellNode) => names.get(node.service_id) ?? node.service_id;
  return [
    {
      id: "service",
      header: t.upstream.service,
      accessorFn: named,
      cell: ({ row }) => (
        <Go
          to="/groups/$groupId/services/$serviceId"
          params={{ groupId, serviceId: row.original.service_id }}
          search={{ tab: "upstreams" }}
        >
          {named(row.original)}
        </Go>
      ),
    },
    { id: "node", header: t.upstream.node, accessorKey: "host", cell: ({ row }) => <Address node={row.original} /> },
    { id: "health", header: t.service.health, accessorKey: "status", cell: ({ row }) => <Health status={row.original.status} /> },
    { id: "why", header: t.upstream.why, enableSorting: false, cell: ({ row }) => <Why seen={row.original.instances} /> },
  ];
}
