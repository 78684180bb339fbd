/** Roles: which permission policies each is made of, and how many users have it. */
import { Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "@/api/client";
import { usersQuery } from "@/organisation/queries";
import { type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { Named } from "@/ui/Named";
import { Open } from "@/ui/Open";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { tell } from "@/ui/told";

import { policiesQuery, rolesQuery } from "./queries";
import { RoleForm } from "./RoleForm";
import type { Policy, Role } from "./shapes";

const words = t.access.roles;
type Doing = { what: "add" } | { what: "edit" | "remove"; role: Role };

export function RolesPage() {
  const roles = useQuery(rolesQuery);
  const policies = useQuery(policiesQuery).data ?? [];
  const users = useQuery(usersQuery).data;
  const permissions = usePermissions();
  const [doing, setDoing] = useState<Doing>();
  const close = () => setDoing(undefined);
  const counted = (role: Role) => users?.filter((user) => user.roles.includes(role.id)).length;
  return (
    <Page
      title={words.title}
      said={words.hint}
      actions={
        <Add allowed={permissions["CreateRole"]} onClick={() => setDoing({ what: "add" })}>
          {words.add}
        </Add>
      }
    >
      <Loaded query={roles}>
        {(list) => (
          <DataTable
            label={words.title}
            rows={list}
            columns={columnsOf({ policies, counted, permissions, onDo: setDoing })}
            rowId={(role) => role.id}
            text={(role) => [role.name, role.desc, ...role.policies.map((id) => nameOf(policies, id))].join(" ")}
            sort={{ id: "name", desc: false }}
          />
        )}
      </Loaded>
      {doing && doing.what !== "remove" && (
        <RoleForm
          role={doing.what === "edit" ? doing.role : undefined}
          policies={policies}
          permissions={permissions}
          onClose={close}
        />
      )}
      <Deed
        to={doing?.what === "remove" ? doing.role : undefined}
        title={({ name }) => words.remove(name)}
        verb={t.common.remove}
        hint={() => words.removeHint}
        act={({ id }) => api.DELETE("/api/roles/{id}", { params: { path: { id } } })}
        tell={({ name }) => tell(words.removed(name))}
        stale={rolesQuery.queryKey}
        onClose={close}
      />
    </Page>
  );
}

function nameOf(policies: Policy[], id: string): string {
  return policies.find((policy) => policy.id === id)?.name ?? id;
}

interface ColumnsProps {
  policies: Policy[];
  /** How many users have it; undefined if nobody may tell. */
  counted: (role: Role) => number | undefined;
  permissions: Permissions;
  onDo: (doing: Doing) => void;
}

function columnsOf({ policies, counted, permissions, onDo }: ColumnsProps): Column<Role>[] {
  return [
    {
      id: "name",
      header: t.common.name,
      accessorKey: "name",
      cell: ({ row: { original: role } }) => (
        <Named mark={role.built_in && t.access.policies.builtIn}>
          <Open onClick={() => onDo({ what: "edit", role })}>{role.name}</Open>
        </Named>
      ),
    },
    { id: "desc", header: t.common.description, accessorKey: "desc" },
    {
      id: "policies",
      header: words.policies,
      accessorFn: ({ policies: held }) => held.length,
      cell: ({ row: { original: role } }) =>
        role.policies.length === 0 ? (
          <Text size="sm" c="dimmed">
            {words.noPolicies}
          </Text>
        ) : (
          <Group gap="xs">
            {role.policies.map((id) => (
              <Go key={id} to="/policies/$policyId" params={{ policyId: id }} size="sm" className="break">
                {nameOf(policies, id)}
              </Go>
            ))}
          </Group>
        ),
    },
    { id: "users", header: words.users, accessorFn: counted },
    { id: "labels", header: t.common.labels, enableSorting: false, cell: ({ row }) => <Labels labels={row.original.labels} /> },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row: { original: role } }) => (
        <Remove
          label={words.remove(role.name)}
          allowed={permissions["DeleteRole"]}
          reason={role.built_in ? t.access.policies.builtInHint : undefined}
          onClick={() => onDo({ what: "remove", role })}
        />
      ),
    },
  ];
}
