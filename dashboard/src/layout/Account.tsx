/** Who is signed in, and what he may do about himself. */
import { ActionIcon, Menu } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { KeyRound, LogOut, User } from "lucide-react";

import { api } from "@/api/client";
import { meQuery } from "@/api/queries";
import { markSession } from "@/session/mark";
import { t } from "@/texts";

export function Account() {
  const queries = useQueryClient();
  const me = queries.getQueryData(meQuery.queryKey);
  const navigate = useNavigate();
  const signOut = useMutation({
    mutationFn: () => api.POST("/api/logout"),
    onSettled: async () => {
      markSession(false);
      queries.clear();
      await navigate({ to: "/sign-in" });
    },
  });
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t.common.user}>
          <User size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me?.username}</Menu.Label>
        <Menu.Item component={Link} to="/account" leftSection={<User size={14} aria-hidden />}>
          {t.organisation.account.title}
        </Menu.Item>
        <Menu.Item component={Link} to="/password" leftSection={<KeyRound size={14} aria-hidden />}>
          {t.common.password}
        </Menu.Item>
        <Menu.Item leftSection={<LogOut size={14} aria-hidden />} onClick={() => signOut.mutate()}>
          {t.common.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
