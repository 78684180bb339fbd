/** Lets a new user in, with a password that has to be changed at the first sign-in. */
import { Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api } from "@/api/client";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { tell } from "@/ui/told";

import { usersQuery } from "./queries";

const words = t.organisation.users;

export function Invite({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const invite = useMutation({
    mutationFn: () => api.POST("/api/invites", { body: { username, password } }),
    onSuccess: async () => {
      tell(words.invited(username));
      onClose();
      await queries.invalidateQueries({ queryKey: usersQuery.queryKey });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    invite.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={words.invite} closeButtonProps={{ "aria-label": t.common.close }}>
      <form onSubmit={submit} autoComplete="off">
        <Stack>
          <Text size="sm">{words.inviteHint}</Text>
          <TextInput
            label={words.username}
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
            required
          />
          <PasswordInput
            label={words.firstPassword}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="new-password"
            required
          />
          {invite.error && <ErrorNote error={invite.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t.common.cancel}
            </Button>
            <Button type="submit" loading={invite.isPending}>
              {words.invite}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
