/** The inbox of what waits for somebody's consent, and what became of earlier requests. */
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go, GoButton } from "@/ui/Go";
import { Page } from "@/ui/Page";
import { Paged } from "@/ui/Paged";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { LOOK } from "./look";
import { useNames } from "./names";
import { type Approval, approvalsQuery, PAGE_SIZE } from "./queries";
import { type ApprovalSearch, type ApprovalState, STATES } from "./search";

export function ApprovalsPage({ search }: { search: ApprovalSearch }) {
  const { state = "pending", page = 1 } = search;
  const approvals = useQuery(approvalsQuery(state, page));
  const navigate = useNavigate();
  const show = (wanted: ApprovalSearch) => void navigate({ to: "/approvals", search: wanted });
  return (
    <Page
      title={t.approval.title}
      said={t.approval.hint}
      actions={
        <GoButton to="/approval-rules" variant="default">
          {t.approvalRule.title}
        </GoButton>
      }
    >
      <SegmentedControl
        aria-label={t.approval.state}
        data={STATES.map((value) => ({ value, label: t.approval.states[value] }))}
        value={state}
        onChange={(value: ApprovalState) => show({ state: value === "pending" ? undefined : value })}
        w="fit-content"
        className="fits"
      />
      <Paged
        query={approvals}
        empty={<Empty title={state === "pending" ? t.approval.empty : t.approval.emptyOther} said={t.approval.emptyHint} />}
        words={t.approval}
        size={PAGE_SIZE}
        page={page}
        onPage={(next) => show({ ...search, page: next })}
      >
        {(list) => <Inbox approvals={list} />}
      </Paged>
    </Page>
  );
}

function Inbox({ approvals }: { approvals: Approval[] }) {
  const names = useNames();
  const columns = useMemo(() => columnsOf(names), [names]);
  return <DataTable label={t.approval.title} rows={approvals} columns={columns} rowId={(each) => each.id} maxHeight="60vh" />;
}

function columnsOf(names: ReturnType<typeof useNames>): Column<Approval>[] {
  return [
    {
      id: "what",
      header: t.approval.what,
      enableSorting: false,
      cell: ({ row: { original } }) => (
        <Go to="/approvals/$approvalId" params={{ approvalId: original.id }} size="sm">
          {t.approval.operations[original.operation]}
        </Go>
      ),
    },
    {
      id: "services",
      header: t.approval.services,
      enableSorting: false,
      // not by an accessor: the table would keep the ids from before the names came
      cell: ({ row }) => <span className="break">{names.services(row.original.services)}</span>,
    },
    {
      id: "groups",
      header: t.approval.groups,
      enableSorting: false,
      cell: ({ row }) => <span className="break">{names.groups(row.original.gateway_group_ids)}</span>,
    },
    { id: "by", header: t.approval.by, accessorKey: "requested_by", enableSorting: false },
    { id: "asked", header: t.approval.asked, enableSorting: false, cell: ({ row }) => <Time at={row.original.created_at} /> },
    { id: "expires", header: t.approval.expires, enableSorting: false, cell: ({ row }) => <Time at={row.original.expires_at} /> },
    {
      id: "state",
      header: t.approval.state,
      enableSorting: false,
      cell: ({ row }) => <State look={LOOK[row.original.state]}>{t.approval.states[row.original.state]}</State>,
    },
    {
      id: "note",
      header: t.approval.note,
      enableSorting: false,
      cell: ({ row }) => <span className="break">{row.original.note}</span>,
    },
  ];
}
