/** Everything that was done and everything that was refused: by filters, entry by entry, and as files. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Open } from "@/ui/Open";
import { Page } from "@/ui/Page";
import { Paged } from "@/ui/Paged";
import { Time } from "@/ui/Time";

import { AuditDetail } from "./AuditDetail";
import { AuditFilters } from "./AuditFilters";
import { about, Outcome } from "./entry";
import { Exports } from "./Exports";
import { type AuditEntry, auditQuery, PAGE_SIZE } from "./queries";
import type { AuditSearch } from "./search";

const words = t.organisation.audit;

export function AuditPage({ search }: { search: AuditSearch }) {
  const audit = useQuery({ ...auditQuery(search), placeholderData: keepPreviousData });
  const groups = useQuery(groupsQuery).data ?? [];
  const navigate = useNavigate();
  const [shown, setShown] = useState<AuditEntry>();
  const show = (wanted: AuditSearch) => void navigate({ to: "/audit", search: wanted });
  const groupName = (id: string) => groups.find((each) => each.id === id)?.name ?? id;
  return (
    <Page title={words.title} said={words.hint} actions={<Exports search={search} />}>
      <AuditFilters key={JSON.stringify(search)} search={search} groups={groups} onChange={show} />
      <Paged
        query={audit}
        lines={10}
        empty={<Empty title={words.empty} said={words.emptyHint} />}
        words={{ pages: words.page, total: words.total }}
        size={PAGE_SIZE}
        page={search.page ?? 1}
        onPage={(page) => show({ ...search, page })}
      >
        {(list) => (
          <DataTable
            label={words.title}
            rows={list}
            columns={columnsOf(groupName, setShown)}
            rowId={(entry) => entry.id}
            maxHeight="60vh"
          />
        )}
      </Paged>
      {shown && <AuditDetail entry={shown} groupName={groupName} onClose={() => setShown(undefined)} />}
    </Page>
  );
}

function columnsOf(groupName: (id: string) => string, onShow: (entry: AuditEntry) => void): Column<AuditEntry>[] {
  return [
    {
      id: "when",
      header: words.when,
      accessorKey: "event_time",
      enableSorting: false,
      cell: ({ row }) => <Time at={row.original.event_time} />,
    },
    { id: "who", header: words.who, accessorFn: (entry) => entry.operator.username || t.common.unknown, enableSorting: false },
    {
      id: "what",
      header: words.what,
      enableSorting: false,
      cell: ({ row }) => (
        <Open label={words.show(row.original.event_type)} onClick={() => onShow(row.original)}>
          {row.original.event_type}
        </Open>
      ),
    },
    { id: "about", header: words.about, accessorFn: about, enableSorting: false },
    {
      id: "group",
      header: words.group,
      accessorFn: (entry) => (entry.gateway_group_id ? groupName(entry.gateway_group_id) : ""),
      enableSorting: false,
    },
    { id: "outcome", header: words.outcome, enableSorting: false, cell: ({ row }) => <Outcome entry={row.original} /> },
  ];
}
