/** Who may sign in, and with which roles. */
import { ActionIcon, Badge, Group, Stack, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { api } from "@/api/client";
import { meQuery } from "@/api/queries";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { AssignRoles } from "./AssignRoles";
import { Invite } from "./Invite";
import { policiesQuery, type Role, rolesQuery, type User, usersQuery } from "./queries";

const words = t.organisation.users;
type Doing = { what: "invite" } | { what: "assign" | "remove"; user: User };

export function UsersPage() {
  const users = useQuery(usersQuery);
  const roles = useQuery(rolesQuery);
  const permissions = usePermissions();
  const me = useQueryClient().getQueryData(meQuery.queryKey)?.id;
  const [doing, setDoing] = useState<Doing>();
  const close = () => setDoing(undefined);
  return (
    <Page
      title={words.title}
      said={words.hint}
      actions={
        <MayButton
          allowed={permissions["CreateUser"]}
          leftSection={<Plus size={16} aria-hidden />}
          onClick={() => setDoing({ what: "invite" })}
        >
          {words.invite}
        </MayButton>
      }
    >
      <Loaded query={users}>
        {(list) => (
          <DataTable
            label={words.title}
            rows={list}
            columns={columnsOf({ roles: roles.data ?? [], me, permissions, onDo: setDoing })}
            rowId={(user) => user.id}
            text={(user) => [user.username, ...namesOf(user, roles.data ?? [])].join(" ")}
            maxHeight="45vh"
          />
        )}
      </Loaded>
      <Stack gap="xs">
        <Title order={2} size="h4">
          {t.organisation.roles.title}
        </Title>
        <Loaded query={roles}>{(list) => <Roles roles={list} users={users.data ?? []} />}</Loaded>
      </Stack>
      {doing?.what === "invite" && <Invite onClose={close} />}
      {doing?.what === "assign" && <AssignRoles user={doing.user} roles={roles.data ?? []} onClose={close} />}
      <Removing user={doing?.what === "remove" ? doing.user : undefined} onClose={close} />
    </Page>
  );
}

function namesOf(user: User, roles: Role[]): string[] {
  return user.roles.map((id) => roles.find((role) => role.id === id)?.name ?? id);
}

interface ColumnsProps {
  roles: Role[];
  me: string | undefined;
  permissions: Permissions;
  onDo: (doing: Doing) => void;
}

function columnsOf({ roles, me, permissions, onDo }: ColumnsProps): Column<User>[] {
  return [
    {
      id: "username",
      header: words.username,
      accessorKey: "username",
      cell: ({ row }) => (
        <Group gap="xs">
          <Text size="sm" className="break">
            {row.original.username}
          </Text>
          {row.original.id === me && (
            <Badge variant="default" tt="none">
              {words.you}
            </Badge>
          )}
        </Group>
      ),
    },
    {
      id: "roles",
      header: words.roles,
      accessorFn: (user) => namesOf(user, roles).join(", "),
      cell: ({ row }) => namesOf(row.original, roles).join(", ") || <Text size="sm" c="dimmed">{words.noRoles}</Text>,
    },
    {
      id: "password",
      header: words.password,
      accessorFn: (user) => (user.must_change_password ? 1 : 0),
      cell: ({ row }) =>
        row.original.must_change_password ? <State look="warning">{words.given}</State> : <State look="good">{words.chosen}</State>,
    },
    {
      id: "created",
      header: t.common.created,
      accessorKey: "created_at",
      cell: ({ row }) => <Time at={row.original.created_at} />,
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => <Actions user={row.original} permissions={permissions} onDo={onDo} />,
    },
  ];
}

function Actions({ user, permissions, onDo }: { user: User; permissions: Permissions; onDo: (doing: Doing) => void }) {
  const why = may(permissions["DeleteUser"]);
  return (
    <Group gap="xs" wrap="nowrap">
      <MayButton
        size="compact-sm"
        variant="default"
        allowed={permissions["UpdateUserRoles"]}
        aria-label={words.assignTo(user.username)}
        onClick={() => onDo({ what: "assign", user })}
      >
        {words.assign}
      </MayButton>
      <ActionIcon
        variant="default"
        aria-label={words.remove(user.username)}
        title={why ?? t.common.remove}
        disabled={why !== undefined}
        onClick={() => onDo({ what: "remove", user })}
      >
        <Trash2 size={16} aria-hidden />
      </ActionIcon>
    </Group>
  );
}

function Roles({ roles, users }: { roles: Role[]; users: User[] }) {
  const policies = useQuery(policiesQuery).data ?? [];
  const named = (role: Role) => role.policies.map((id) => policies.find((each) => each.id === id)?.name ?? id);
  const columns: Column<Role>[] = [
    { id: "name", header: t.common.name, accessorKey: "name" },
    { id: "desc", header: t.common.description, accessorKey: "desc" },
    {
      id: "policies",
      header: t.organisation.roles.policies,
      accessorFn: (role) => named(role).join(", "),
      cell: ({ row }) => named(row.original).join(", ") || t.common.none,
    },
    {
      id: "users",
      header: t.organisation.roles.users,
      accessorFn: (role) => users.filter((user) => user.roles.includes(role.id)).length,
    },
  ];
  return <DataTable label={t.organisation.roles.title} rows={roles} columns={columns} rowId={(role) => role.id} maxHeight="35vh" />;
}

function Removing({ user, onClose }: { user: User | undefined; onClose: () => void }) {
  return (
    <Deed
      to={user}
      title={({ username }) => words.remove(username)}
      verb={t.common.remove}
      hint={({ username }) => words.removeHint(username)}
      act={({ id }) => api.DELETE("/api/users/{id}", { params: { path: { id } } })}
      tell={({ username }) => tell(words.removed(username))}
      stale={usersQuery.queryKey}
      onClose={onClose}
    />
  );
}
