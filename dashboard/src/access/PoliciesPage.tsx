/** The permission policies there are, what each says, and who is held to it. */
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";

import { may, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go, GoButton } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Named } from "@/ui/Named";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";

import { policiesQuery, rolesQuery } from "./queries";
import type { Policy, Role } from "./shapes";

const words = t.access.policies;

export function PoliciesPage() {
  const policies = useQuery(policiesQuery);
  const roles = useQuery(rolesQuery).data ?? [];
  return (
    <Page title={words.title} said={words.hint} actions={<Add />}>
      <Loaded query={policies}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.empty} said={words.emptyHint}>
              <Add />
            </Empty>
          ) : (
            <DataTable
              label={words.title}
              rows={list}
              columns={columnsOf(roles)}
              rowId={(policy) => policy.id}
              text={textOf}
              sort={{ id: "name", desc: false }}
            />
          )
        }
      </Loaded>
    </Page>
  );
}

function Add() {
  const allowed = usePermissions()["CreatePermissionPolicy"];
  const plus = <Plus size={16} aria-hidden />;
  if (may(allowed) !== undefined) {
    return (
      <MayButton allowed={allowed} leftSection={plus}>
        {words.add}
      </MayButton>
    );
  }
  return (
    <GoButton to="/policies/$policyId" params={{ policyId: "new" }} leftSection={plus}>
      {words.add}
    </GoButton>
  );
}

function textOf({ name, desc, labels, statement }: Policy): string {
  const patterns = statement.flatMap(({ actions, resources }) => [...actions, ...resources]);
  return [name, desc, ...Object.entries(labels).map((pair) => pair.join(":")), ...patterns].join(" ");
}

function columnsOf(roles: Role[]): Column<Policy>[] {
  const users = ({ id }: Policy) => roles.filter(({ policies }) => policies.includes(id)).map(({ name }) => name);
  return [
    {
      id: "name",
      header: t.common.name,
      accessorKey: "name",
      cell: ({ row: { original: policy } }) => (
        <Named mark={policy.built_in && words.builtIn}>
          <Go to="/policies/$policyId" params={{ policyId: policy.id }} size="sm" className="break">
            {policy.name}
          </Go>
        </Named>
      ),
    },
    { id: "desc", header: t.common.description, accessorKey: "desc" },
    {
      id: "statements",
      header: words.statements,
      accessorFn: ({ statement }) => statement.length,
      cell: ({ row }) => {
        const denied = row.original.statement.filter(({ effect }) => effect === "deny").length;
        return words.says(row.original.statement.length - denied, denied);
      },
    },
    {
      id: "roles",
      header: words.usedBy,
      accessorFn: (policy) => users(policy).length,
      cell: ({ row }) => users(row.original).join(", ") || t.common.none,
    },
    { id: "labels", header: t.common.labels, enableSorting: false, cell: ({ row }) => <Labels labels={row.original.labels} /> },
    { id: "changed", header: t.common.changed, accessorKey: "updated_at", cell: ({ row }) => <Time at={row.original.updated_at} /> },
  ];
}
