/** The form that begins a session. */
import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api } from "@/api/client";
import { meQuery } from "@/api/queries";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";

import { Card } from "./Card";
import { markSession } from "./mark";

export function SignIn({ back }: { back: string | undefined }) {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const queries = useQueryClient();
  const router = useRouter();
  const signIn = useMutation({
    mutationFn: () => api.POST("/api/login", { body: { username, password } }),
    onSuccess: async () => {
      markSession(true);
      queries.clear();
      await queries.query(meQuery);
      router.history.push(back ?? "/");
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    signIn.mutate();
  };
  return (
    <Card title={t.session.title} said={back ? t.session.ended : undefined}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label={t.session.username}
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
            autoComplete="username"
            required
            data-autofocus
            autoFocus
          />
          <PasswordInput
            label={t.session.password}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="current-password"
            required
          />
          {signIn.isError && <ErrorNote error={signIn.error} />}
          <Button type="submit" loading={signIn.isPending}>
            {t.session.submit}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
