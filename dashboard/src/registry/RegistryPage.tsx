/** One service registry as the instances of its gateway group see it, and the services that are looked up in it. */
import { Stack } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { groupQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Facts } from "@/ui/Facts";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { Section } from "@/ui/Section";
import { type Look, State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { type ConnectedService, connectedQuery, registryQuery, type RegistryStatus, type Sight, sightsQuery } from "./queries";

const LOOK: Readonly<Record<RegistryStatus, Look>> = { healthy: "good", connecting: "waiting", lost_connection: "bad" };

const COLUMNS: Column<Sight>[] = [
  { id: "host", header: t.registry.host, accessorKey: "hostname" },
  { id: "state", header: t.registry.state, accessorKey: "status", cell: ({ row }) => <Status status={row.original.status} /> },
  {
    id: "last",
    header: t.registry.lastConnect,
    accessorFn: (sight) => sight.last_connect_time ?? 0,
    cell: ({ row }) => <Time at={row.original.last_connect_time} />,
  },
  {
    id: "reason",
    header: t.registry.reason,
    accessorFn: (sight) => sight.reason ?? "",
    cell: ({ row }) => <span className="break">{row.original.reason}</span>,
  },
];

export function RegistryPage({ groupId, registryId }: { groupId: string; registryId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const query = useQuery(registryQuery(groupId, registryId));
  const found = query.data;
  return (
    <Page
      title={found ? found.name || registryId : t.registry.crumb}
      mark={found && <Status status={found.status} />}
      crumbs={[
        <Go key="group" to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>,
        <Go key="kind" to="/groups/$groupId/$kind" params={{ groupId, kind: "service_registries" }}>
          {t.registry.crumb}
        </Go>,
      ]}
    >
      <Loaded query={query}>
        {(registry) => (
          <Stack>
            <Facts
              label={registry.name || registryId}
              facts={[
                [t.common.id, registry.id],
                [t.registry.type, registry.type],
                [t.registry.lastConnect, <Time key="last" at={registry.last_connect_time} />],
                [t.registry.reason, registry.reason],
              ]}
            />
            <Sights groupId={groupId} registryId={registryId} />
            <Connected groupId={groupId} registryId={registryId} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Status({ status }: { status: RegistryStatus }) {
  return <State look={LOOK[status]}>{t.kind.registryStates[status]}</State>;
}

function Sights({ groupId, registryId }: { groupId: string; registryId: string }) {
  const sights = useQuery(sightsQuery(groupId, registryId));
  return (
    <Section title={t.registry.instances}>
      <Loaded query={sights} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.registry.noInstances} said={t.registry.noInstancesHint} />
          ) : (
            <DataTable
              label={t.registry.instances}
              rows={list}
              columns={COLUMNS}
              rowId={(sight) => sight.instance_id}
              text={(sight) => `${sight.hostname} ${sight.instance_id} ${sight.reason ?? ""}`}
              maxHeight={420}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

function Connected({ groupId, registryId }: { groupId: string; registryId: string }) {
  const services = useQuery(connectedQuery(groupId, registryId));
  const columns = useMemo(() => serviceColumns(groupId), [groupId]);
  return (
    <Section title={t.registry.services}>
      <Loaded query={services} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.registry.noServices} said={t.registry.noServicesHint} />
          ) : (
            <DataTable
              label={t.registry.services}
              rows={list}
              columns={columns}
              rowId={(service) => service.service_id}
              text={(service) => `${service.name} ${service.service_id}`}
              maxHeight={420}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

function serviceColumns(groupId: string): Column<ConnectedService>[] {
  return [
    {
      id: "name",
      header: t.common.name,
      accessorKey: "name",
      cell: ({ row: { original } }) => (
        <Go
          to="/groups/$groupId/services/$serviceId"
          params={{ groupId, serviceId: original.service_id }}
          search={{ tab: "upstreams" }}
          size="sm"
        >
          {original.name}
        </Go>
      ),
    },
    { id: "id", header: t.common.id, accessorKey: "service_id" },
  ];
}
