/** The form that changes one's own password. */
import { Button, PasswordInput, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api } from "@/api/client";
import { meQuery } from "@/api/queries";
import type { Me } from "@/api/shapes";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";

import { Card } from "./Card";

export function ChangePassword({ me, back }: { me: Me; back: string | undefined }) {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const queries = useQueryClient();
  const router = useRouter();
  const change = useMutation({
    mutationFn: () => api.PUT("/api/password", { body: { old_password: old, new_password: fresh } }),
    onSuccess: async () => {
      const changed: Me = { ...me, must_change_password: false };
      queries.setQueryData(meQuery.queryKey, changed);
      notifications.show({ message: t.session.changed, color: "green" });
      await router.invalidate();
      router.history.push(back ?? "/");
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (fresh === again) change.mutate();
  };
  return (
    <Card title={t.session.change} said={me.must_change_password ? t.session.forced : undefined}>
      <form onSubmit={submit}>
        <Stack>
          <input type="text" name="username" value={me.username} autoComplete="username" readOnly hidden />
          <PasswordInput
            label={t.session.oldPassword}
            value={old}
            onChange={(event) => setOld(event.currentTarget.value)}
            autoComplete="current-password"
            error={fieldError(change.error, "/old_password")}
            required
          />
          <PasswordInput
            label={t.session.newPassword}
            description={t.session.rule}
            value={fresh}
            onChange={(event) => setFresh(event.currentTarget.value)}
            autoComplete="new-password"
            error={fieldError(change.error, "/new_password")}
            required
          />
          <PasswordInput
            label={t.session.repeat}
            value={again}
            onChange={(event) => setAgain(event.currentTarget.value)}
            autoComplete="new-password"
            error={again && again !== fresh ? t.session.differs : undefined}
            required
          />
          {change.isError && <ErrorNote error={change.error} />}
          <Button type="submit" loading={change.isPending}>
            {t.common.save}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
