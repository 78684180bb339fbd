/** The rings of a gateway group: the one that runs, and how those before it ended. */
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { groupQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Page } from "@/ui/Page";
import { Paged } from "@/ui/Paged";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { LOOK } from "./look";
import { PAGE_SIZE, type Ring, ringsQuery, saidServices } from "./queries";
import { StartRing } from "./StartRing";
import { useStartReason } from "./starting";

const COLUMNS: Column<Ring>[] = [
  {
    id: "services",
    header: t.ring.services,
    enableSorting: false,
    cell: ({ row: { original } }) => (
      <Go
        to="/groups/$groupId/rings/$ringId"
        params={{ groupId: original.gateway_group_id, ringId: original.id }}
        className="break"
        size="sm"
      >
        {saidServices(original)}
      </Go>
    ),
  },
  {
    id: "state",
    header: t.ring.state,
    enableSorting: false,
    cell: ({ row }) => <State look={LOOK[row.original.state]}>{t.ring.states[row.original.state]}</State>,
  },
  {
    id: "members",
    header: t.ring.members,
    enableSorting: false,
    cell: ({ row }) => t.ring.membersOf(row.original.members.length),
  },
  { id: "started", header: t.ring.started, enableSorting: false, cell: ({ row }) => <Time at={row.original.started_at} /> },
  { id: "by", header: t.ring.startedBy, accessorKey: "started_by", enableSorting: false },
  {
    id: "reason",
    header: t.ring.reason,
    enableSorting: false,
    cell: ({ row }) => <span className="break">{row.original.reason ?? row.original.note}</span>,
  },
];

export function RingsPage({ groupId, page }: { groupId: string; page: number }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const rings = useQuery(ringsQuery(groupId, page));
  const navigate = useNavigate();
  const show = (next: number | undefined) =>
    void navigate({ to: "/groups/$groupId/rings", params: { groupId }, search: { page: next } });
  return (
    <Page
      title={t.ring.title}
      said={t.ring.hint}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
      actions={<Start groupId={groupId} />}
    >
      <Paged
        query={rings}
        empty={<Empty title={t.ring.empty} said={t.ring.emptyHint} />}
        words={t.ring}
        size={PAGE_SIZE}
        page={page}
        onPage={show}
      >
        {(list) => <DataTable label={t.ring.title} rows={list} columns={COLUMNS} rowId={(ring) => ring.id} />}
      </Paged>
    </Page>
  );
}

function Start({ groupId }: { groupId: string }) {
  const permissions = usePermissions({ groupId });
  const [starting, setStarting] = useState(false);
  const reason = useStartReason(groupId);
  return (
    <>
      <Add allowed={permissions["CreateRing"]} reason={reason} onClick={() => setStarting(true)}>
        {t.ring.start}
      </Add>
      <StartRing groupId={groupId} opened={starting} onClose={() => setStarting(false)} />
    </>
  );
}
