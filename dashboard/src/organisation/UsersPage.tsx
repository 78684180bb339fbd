/** Who may sign in, and with which roles. */
import { ActionIcon, Group, Menu, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleHelp, Ellipsis, KeyRound, Shield } from "lucide-react";
import { useState } from "react";

import { rolesQuery } from "@/access/queries";
import type { Role } from "@/access/shapes";
import { api } from "@/api/client";
import { meQuery } from "@/api/queries";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Named } from "@/ui/Named";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { AssignRoles } from "./AssignRoles";
import { Invite } from "./Invite";
import { Bound } from "./Bound";
import { NewPassword } from "./NewPassword";
import { type User, usersQuery } from "./queries";

const words = t.organisation.users;
type Doing = { what: "invite" } | { what: "assign" | "bound" | "password" | "remove"; user: User };

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
        <Add allowed={permissions["CreateUser"]} onClick={() => setDoing({ what: "invite" })}>
          {words.invite}
        </Add>
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
          />
        )}
      </Loaded>
      {doing?.what === "invite" && <Invite onClose={close} />}
      {doing?.what === "assign" && <AssignRoles user={doing.user} roles={roles.data ?? []} onClose={close} />}
      {doing?.what === "bound" && <Bound user={doing.user} allowed={permissions["UpdateUserBoundary"]} onClose={close} />}
      {doing?.what === "password" && <NewPassword user={doing.user} onClose={close} />}
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
        <Named mark={row.original.id === me && words.you}>
          <Text size="sm" className="break">
            {row.original.username}
          </Text>
        </Named>
      ),
    },
    {
      id: "roles",
      header: words.roles,
      accessorFn: (user) => namesOf(user, roles).join(", "),
      cell: ({ row }) => namesOf(row.original, roles).join(", ") || <Text size="sm" c="dimmed">{words.noRoles}</Text>,
    },
    {
      id: "boundary",
      header: words.boundary,
      accessorFn: (user) => user.boundary.length,
      cell: ({ row }) => (row.original.boundary.length > 0 ? <State look="plain">{words.bound}</State> : words.unbound),
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
      <More user={user} permissions={permissions} onDo={onDo} />
      <Remove
        label={words.remove(user.username)}
        allowed={permissions["DeleteUser"]}
        onClick={() => onDo({ what: "remove", user })}
      />
    </Group>
  );
}

function More({ user, permissions, onDo }: { user: User; permissions: Permissions; onDo: (doing: Doing) => void }) {
  const bounding = may(permissions["UpdateUserBoundary"]);
  const resetting = may(permissions["ResetPassword"]);
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="default" aria-label={words.more(user.username)}>
          <Ellipsis size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<Shield size={14} aria-hidden />}
          title={bounding}
          disabled={bounding !== undefined}
          onClick={() => onDo({ what: "bound", user })}
        >
          {words.boundary}
        </Menu.Item>
        <Menu.Item
          leftSection={<KeyRound size={14} aria-hidden />}
          title={resetting}
          disabled={resetting !== undefined}
          onClick={() => onDo({ what: "password", user })}
        >
          {words.reset}
        </Menu.Item>
        <Menu.Item component={Link} to="/why" search={{ user: user.id } as never} leftSection={<CircleHelp size={14} aria-hidden />}>
          {words.why}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
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
