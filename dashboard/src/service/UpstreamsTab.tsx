/** Every upstream of a service in this group: its own, and those that plugins choose. */
import { Code, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { at, listResources } from "@/api/resources";
import type { PublishedService, Upstream } from "@/api/shapes";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Loaded } from "@/ui/Loaded";

import { nodesOf, type UpstreamBody } from "./shapes";

type Row = Upstream & { id: string };

const COLUMNS: Column<Row>[] = [
  { id: "name", header: t.service.name, accessorFn: (upstream) => upstream.name ?? upstream.id },
  { id: "scheme", header: t.service.scheme, accessorFn: (upstream) => upstream.scheme ?? "http" },
  {
    id: "balance",
    header: t.service.balance,
    accessorFn: (upstream) => t.service.balances[upstream.type ?? "roundrobin"],
  },
  {
    id: "nodes",
    header: t.service.nodes,
    enableSorting: false,
    cell: ({ row }) => <Nodes upstream={row.original} />,
  },
];

export function UpstreamsTab({ groupId, service }: { groupId: string; service: PublishedService }) {
  const query = useQuery({
    queryKey: ["group", groupId, "upstreams", service.id],
    queryFn: () => listResources<Row>({ groupId, path: at("services", service.id, "upstreams") }),
  });
  return (
    <Loaded query={query}>
      {(list) => (
        <DataTable label={t.service.extraUpstreams} rows={list} columns={COLUMNS} rowId={(upstream) => upstream.id} />
      )}
    </Loaded>
  );
}

function Nodes({ upstream }: { upstream: Upstream }) {
  if (upstream.service_name) return <Code>{upstream.service_name}</Code>;
  return (
    <Stack gap={2}>
      {nodesOf(upstream as UpstreamBody).map((node) => (
        <span key={`${node.host}:${node.port ?? ""}`}>
          <Code>
            {node.host}
            {node.port ? `:${node.port}` : ""}
          </Code>{" "}
          {t.service.nodeWeight} {node.weight}
        </span>
      ))}
    </Stack>
  );
}
