/** The services of a gateway group: what runs here, in which version, and how long already. */
import { Badge, Group } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { FileInput } from "lucide-react";

import { groupQuery, servicesQuery } from "@/api/queries";
import type { PublishedService } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go, GoButton } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { AddService } from "./AddService";

const COLUMNS: Column<PublishedService>[] = [
  {
    id: "name",
    header: t.service.name,
    accessorKey: "name",
    cell: ({ row }) => (
      <Go
        to="/groups/$groupId/services/$serviceId"
        params={{ groupId: row.original.gateway_group_id, serviceId: row.original.id }}
      >
        {row.original.name}
      </Go>
    ),
  },
  {
    id: "version",
    header: t.service.version,
    accessorFn: (service) => service.version ?? "",
    cell: ({ row }) => <Version service={row.original} />,
  },
  {
    id: "status",
    header: t.service.status,
    accessorFn: (service) => service.status ?? 1,
    cell: ({ row }) => <OnOff service={row.original} />,
  },
  {
    id: "hosts",
    header: t.service.hosts,
    accessorFn: (service) => (service.hosts ?? []).join(", "),
    cell: ({ row }) => (row.original.hosts ?? []).join(", ") || t.common.all,
  },
  {
    id: "labels",
    header: t.common.labels,
    enableSorting: false,
    cell: ({ row }) => <Labels labels={row.original.labels} />,
  },
  {
    id: "published",
    header: t.service.published,
    accessorFn: (service) => service.published_at ?? 0,
    cell: ({ row }) => <Time at={row.original.published_at} />,
  },
  {
    id: "updated",
    header: t.common.changed,
    accessorKey: "updated_at",
    cell: ({ row }) => <Time at={row.original.updated_at} />,
  },
];

export function ServicesPage({ groupId, adding }: { groupId: string; adding: boolean }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const services = useQuery(servicesQuery(groupId));
  const permissions = usePermissions({ groupId });
  const navigate = useNavigate();
  const show = (add: true | undefined) =>
    void navigate({ to: "/groups/$groupId/services", params: { groupId }, search: { add } });
  const add = (
    <Group gap="xs">
      <GoButton
        to="/groups/$groupId/import"
        params={{ groupId }}
        variant="default"
        leftSection={<FileInput size={16} aria-hidden />}
      >
        {t.service.addFromOpenApi}
      </GoButton>
      <Add
        allowed={permissions["CreateService"]}
        reason={group.enforce_service_publishing ? t.service.publishingOnly : undefined}
        onClick={() => show(true)}
      >
        {t.service.add}
      </Add>
    </Group>
  );
  return (
    <Page
      title={t.service.title}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
      actions={add}
    >
      <Loaded query={services}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.service.emptyTitle} said={t.service.empty}>
              {add}
            </Empty>
          ) : (
            <DataTable
              label={t.service.title}
              rows={list}
              columns={COLUMNS}
              rowId={(service) => service.id}
              text={(service) =>
                [service.name, service.id, service.version, ...(service.hosts ?? []), ...Object.values(service.labels ?? {})].join(" ")
              }
            />
          )
        }
      </Loaded>
      <AddService groupId={groupId} opened={adding} onClose={() => show(undefined)} />
    </Page>
  );
}

export function Version({ service }: { service: PublishedService }) {
  return (
    <Badge variant={service.version ? "light" : "default"} tt="none" radius="sm" autoContrast>
      {service.version ?? t.service.noVersion}
    </Badge>
  );
}

export function OnOff({ service }: { service: PublishedService }) {
  const on = (service.status ?? 1) === 1;
  return (
    <Group>
      <State look={on ? "good" : "plain"}>{on ? t.service.on : t.service.off}</State>
    </Group>
  );
}
