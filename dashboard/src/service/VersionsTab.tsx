/** The versions a gateway group ran: which it runs now, and the way back to each of the others. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import type { PublishedService, VersionHere } from "@/api/shapes";
import { RollbackModal } from "@/release/RollbackModal";
import { type Allowed, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { versionsQuery } from "./queries";

export function VersionsTab({ groupId, service }: { groupId: string; service: PublishedService }) {
  const versions = useQuery(versionsQuery(groupId, service.id));
  const [chosen, setChosen] = useState<string>();
  const allowed = usePermissions({ groupId, serviceId: service.id })["RollbackService"];
  const columns = useMemo(() => columnsOf(allowed, setChosen), [allowed]);
  return (
    <>
      <Loaded query={versions}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.service.noVersions} said={t.service.noVersionsHint} />
          ) : (
            <DataTable label={t.service.tabs.versions} rows={list} columns={columns} rowId={(version) => version.id} />
          )
        }
      </Loaded>
      <RollbackModal
        groupId={groupId}
        service={service}
        version={chosen}
        opened={chosen !== undefined}
        onClose={() => setChosen(undefined)}
      />
    </>
  );
}

function columnsOf(allowed: Allowed | undefined, choose: (version: string) => void): Column<VersionHere>[] {
  return [
    { id: "version", header: t.service.version, accessorKey: "version" },
    {
      id: "running",
      header: t.service.status,
      accessorKey: "running",
      cell: ({ row }) =>
        row.original.running ? (
          <State look="good">{t.service.running}</State>
        ) : (
          <MayButton allowed={allowed} size="xs" variant="default" onClick={() => choose(row.original.version)}>
            {t.service.rollback}
          </MayButton>
        ),
    },
    {
      id: "when",
      header: t.service.published,
      accessorKey: "publish_time",
      cell: ({ row }) => <Time at={row.original.publish_time} />,
    },
    { id: "operator", header: t.service.by, accessorKey: "operator" },
    { id: "owner", header: t.service.owner, accessorKey: "owner" },
    { id: "note", header: t.service.note, accessorKey: "note", enableSorting: false },
  ];
}
