/** The rules that demand somebody else's consent. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "@/api/client";
import { groupsQuery } from "@/api/queries";
import type { Group } from "@/api/shapes";
import { type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { Open } from "@/ui/Open";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { tell } from "@/ui/told";

import { covered } from "./covered";
import { type Rule, rulesQuery } from "./queries";
import { RuleForm } from "./RuleForm";

const HOUR = 3600;

export function RulesPage() {
  const rules = useQuery(rulesQuery);
  const groups = useQuery(groupsQuery).data ?? [];
  const permissions = usePermissions();
  const [editing, setEditing] = useState<Rule | "new">();
  const [leaving, setLeaving] = useState<Rule>();
  const add = (
    <Add allowed={permissions["CreateApprovalRule"]} onClick={() => setEditing("new")}>
      {t.approvalRule.add}
    </Add>
  );
  return (
    <Page
      title={t.approvalRule.title}
      said={t.approvalRule.hint}
      crumbs={<Go to="/approvals">{t.approval.title}</Go>}
      actions={add}
    >
      <Loaded query={rules}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.approvalRule.empty} said={t.approvalRule.emptyHint}>
              {add}
            </Empty>
          ) : (
            <DataTable
              label={t.approvalRule.title}
              rows={list}
              columns={columnsOf({ groups, permissions, onEdit: setEditing, onRemove: setLeaving })}
              rowId={(rule) => rule.id}
              text={(rule) => `${rule.name} ${Object.entries(rule.labels).flat().join(" ")}`}
            />
          )
        }
      </Loaded>
      <RuleForm rule={editing} groups={groups} permissions={permissions} onClose={() => setEditing(undefined)} />
      <Deed
        to={leaving}
        title={({ name }) => t.approvalRule.remove(name)}
        verb={t.common.remove}
        hint={() => t.approvalRule.removeHint}
        act={({ id }) => api.DELETE("/api/approval_rules/{id}", { params: { path: { id } } })}
        tell={({ name }) => tell(t.approvalRule.removed(name))}
        stale={rulesQuery.queryKey}
        onClose={() => setLeaving(undefined)}
      />
    </Page>
  );
}

interface ColumnsProps {
  groups: Group[];
  permissions: Permissions;
  onEdit: (rule: Rule) => void;
  onRemove: (rule: Rule) => void;
}

function columnsOf({ groups, permissions, onEdit, onRemove }: ColumnsProps): Column<Rule>[] {
  return [
    {
      id: "name",
      header: t.approvalRule.name,
      accessorKey: "name",
      cell: ({ row }) => <Open onClick={() => onEdit(row.original)}>{row.original.name}</Open>,
    },
    {
      id: "labels",
      header: t.common.labels,
      enableSorting: false,
      cell: ({ row }) => (Object.keys(row.original.labels).length > 0 ? <Labels labels={row.original.labels} /> : t.common.all),
    },
    {
      id: "covers",
      header: t.approvalRule.covers,
      enableSorting: false,
      cell: ({ row }) => <span className="break">{covered(groups, row.original.labels)}</span>,
    },
    {
      id: "operations",
      header: t.approvalRule.operations,
      enableSorting: false,
      accessorFn: (rule) => rule.operations.map((each) => t.approval.operations[each]).join(", "),
    },
    {
      id: "expires",
      header: t.approvalRule.expires,
      accessorKey: "expires_after",
      cell: ({ row }) => t.approvalRule.hours(Number((row.original.expires_after / HOUR).toFixed(2))),
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => (
        <Remove
          label={t.approvalRule.remove(row.original.name)}
          allowed={permissions["DeleteApprovalRule"]}
          onClick={() => onRemove(row.original)}
        />
      ),
    },
  ];
}
