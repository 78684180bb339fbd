/** One's own account: who one is, password, sessions, tokens, and what one may do. */
import { Button, Card, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import { rolesQuery } from "@/access/queries";
import { api } from "@/api/client";
import { meQuery } from "@/api/queries";
import { markSession } from "@/session/mark";
import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { GoButton } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";

import type { User } from "./queries";

const words = t.organisation.account;

export function AccountPage() {
  const me = useQuery(meQuery);
  return (
    <Page title={words.title}>
      <Loaded query={me}>
        {(found) =>
          found && (
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Who me={found as User & typeof found} />
              <Part title={words.password} said={words.passwordHint}>
                <GoButton to="/password" search={{ back: "/account" }} variant="default">
                  {t.common.password}
                </GoButton>
              </Part>
              <Sessions />
              <Part title={words.tokens} said={words.tokensHint}>
                <GoButton to="/tokens" variant="default">
                  {words.toTokens}
                </GoButton>
              </Part>
              <Part title={words.may} said={words.mayHint}>
                <GoButton to="/why" variant="default">
                  {t.access.why.title}
                </GoButton>
              </Part>
            </SimpleGrid>
          )
        }
      </Loaded>
    </Page>
  );
}

function Part({ title, said, children }: { title: string; said?: string; children: ReactNode }) {
  return (
    <Card withBorder component="section" aria-label={title}>
      <Stack gap="xs" align="flex-start">
        <Title order={2} size="h4">
          {title}
        </Title>
        {said && (
          <Text size="sm" c="dimmed">
            {said}
          </Text>
        )}
        {children}
      </Stack>
    </Card>
  );
}

function Who({ me }: { me: User }) {
  const roles = useQuery({ ...rolesQuery, retry: false }).data ?? [];
  const names = me.roles.map((id) => roles.find((role) => role.id === id)?.name ?? id);
  const facts: [string, ReactNode][] = [
    [words.roles, names.join(", ") || t.organisation.users.noRoles],
    [words.boundary, me.boundary.length > 0 ? words.bounded(me.boundary.length) : t.common.none],
    [words.since, <Time key="since" at={me.created_at} />],
  ];
  return (
    <Part title={words.who}>
      <Text fw={600} className="break">
        {me.username}
      </Text>
      {facts.map(([name, fact]) => (
        <Group key={name} gap="xs">
          <Text size="sm" c="dimmed">
            {name}
          </Text>
          <Text size="sm" component="div" className="break">
            {fact}
          </Text>
        </Group>
      ))}
    </Part>
  );
}

function Sessions() {
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const leave = useMutation({
    mutationFn: () => api.POST("/api/logout", { params: { query: { everywhere: true } } }),
    onSuccess: async () => {
      markSession(false);
      queries.clear();
      await navigate({ to: "/sign-in" });
    },
  });
  return (
    <Part title={words.sessions} said={words.sessionsHint}>
      <Button variant="default" onClick={() => setAsking(true)}>
        {words.everywhere}
      </Button>
      <Confirm
        opened={asking}
        title={words.everywhere}
        verb={words.everywhere}
        pending={leave.isPending}
        error={leave.error}
        onConfirm={() => leave.mutate()}
        onClose={() => setAsking(false)}
      >
        {words.everywhereHint}
      </Confirm>
    </Part>
  );
}
