/** The history of a gateway group: every revision, who made it, what it changed, and the way back. */
import { Stack, Text } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { groupQuery } from "@/api/queries";
import { type Allowed, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go, GoButton } from "@/ui/Go";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Paged } from "@/ui/Paged";
import { Time } from "@/ui/Time";

import { PAGE_SIZE, type Revision, revisionsQuery } from "./queries";
import { RestoreModal } from "./RestoreModal";

export function RevisionsPage({ groupId, page }: { groupId: string; page: number }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const revisions = useQuery(revisionsQuery(groupId, page));
  const allowed = usePermissions({ groupId })["RestoreRevision"];
  const navigate = useNavigate();
  const [restoring, setRestoring] = useState<number>();
  const columns = useMemo(() => columnsOf(groupId, allowed, setRestoring), [groupId, allowed]);
  const show = (next: number | undefined) =>
    void navigate({
      to: "/groups/$groupId/revisions",
      params: { groupId },
      search: { page: next },
    });
  return (
    <Page
      title={t.revision.title}
      said={t.revision.hint}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
      actions={
        <GoButton to="/compare" search={{ group: groupId, revisions: true }} variant="default">
          {t.revision.compareTwo}
        </GoButton>
      }
    >
      <Paged
        query={revisions}
        lines={8}
        empty={<Empty title={t.revision.empty} said={t.revision.emptyHint} />}
        words={t.revision}
        size={PAGE_SIZE}
        page={page}
        onPage={show}
      >
        {(list) => (
          <DataTable
            label={t.revision.title}
            rows={list}
            columns={columns}
            rowId={(revision) => String(revision.revision)}
            maxHeight="65vh"
          />
        )}
      </Paged>
      <RestoreModal groupId={groupId} revision={restoring} onClose={() => setRestoring(undefined)} />
    </Page>
  );
}

function columnsOf(
  groupId: string,
  allowed: Allowed | undefined,
  onRestore: (revision: number) => void,
): Column<Revision>[] {
  return [
    {
      id: "revision",
      header: t.revision.number,
      accessorKey: "revision",
      enableSorting: false,
      cell: ({ row: { original } }) => (
        <Go
          to="/groups/$groupId/revisions/$revision"
          params={{ groupId, revision: String(original.revision) }}
          aria-label={t.revision.one(original.revision)}
          size="sm"
        >
          {original.revision}
        </Go>
      ),
    },
    { id: "when", header: t.revision.when, enableSorting: false, cell: ({ row }) => <Time at={row.original.at} /> },
    { id: "who", header: t.revision.who, accessorKey: "operator", enableSorting: false },
    { id: "action", header: t.revision.action, accessorKey: "action", enableSorting: false },
    { id: "what", header: t.revision.what, enableSorting: false, cell: ({ row }) => <Touched revision={row.original} /> },
    {
      id: "note",
      header: t.revision.note,
      enableSorting: false,
      cell: ({ row }) => <span className="break">{row.original.note}</span>,
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => (
        <MayButton allowed={allowed} size="xs" variant="default" onClick={() => onRestore(row.original.revision)}>
          {t.revision.restore}
        </MayButton>
      ),
    },
  ];
}

function Touched({ revision: { counts, touched = [] } }: { revision: Revision }) {
  if (!counts) return null;
  const [first, ...others] = touched;
  return (
    <Stack gap={0}>
      <Text size="sm">{t.revision.counts(counts.create, counts.update, counts.delete)}</Text>
      {first && (
        <Text size="xs" c="dimmed" className="break">
          {`${first.kind.replaceAll("_", " ").replace(/s$/, "")} ${first.id}${others.length > 0 ? ", …" : ""}`}
        </Text>
      )}
    </Stack>
  );
}
