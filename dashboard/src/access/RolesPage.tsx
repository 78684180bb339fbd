/** Roles: which permission policies each is made of, and how many users have it. */
import { ActionIcon, Anchor, Badge, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { api } from "@/api/client";
import { usersQuery } from "@/organisation/queries";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
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
        <MayButton
          allowed={permissions["CreateRole"]}
          leftSection={<Plus size={16} aria-hidden />}
          onClick={() => setDoing({ what: "add" })}
        >
          {words.add}
        </MayButton>
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
            sort={[{ id: "name", desc: false }]}
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
        <Group gap="xs">
          <Anchor component="button" type="button" size="sm" className="break" onClick={() => onDo({ what: "edit", role })}>
            {role.name}
          </Anchor>
          {role.built_in && (
            <Badge variant="default" tt="none">
              {t.access.policies.builtIn}
            </Badge>
          )}
        </Group>
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
      cell: ({ row: { original: role } }) => <Remove role={role} permissions={permissions} onDo={onDo} />,
    },
  ];
}

function Remove({ role, permissions, onDo }: { role: Role; permissions: Permissions; onDo: (doing: Doing) => void }) {
  const why = role.built_in ? t.access.policies.builtInHint : may(permissions["DeleteRole"]);
  return (
    <ActionIcon
      variant="default"
      aria-label={words.remove(role.name)}
      title={why ?? t.common.remove}
      disabled={why !== undefined}
      onClick={() => onDo({ what: "remove", role })}
    >
      <Trash2 size={16} aria-hidden />
    </ActionIcon>
  );
}
