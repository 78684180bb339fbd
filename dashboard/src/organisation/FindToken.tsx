/** Says whose a token is that turned up where it should not be, and ends it. */
import { Button, Group, Modal, Stack, Table, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, shaped } from "@/api/client";
import type { Listed } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { MayButton } from "@/ui/MayButton";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import type { Token } from "./queries";

const words = t.organisation.tokens;
/** What of a token is kept, and what finding one needs. */
const SHORTEST = 12;

type Found = Token & { username: string };

export function FindToken({ onClose }: { onClose: () => void }) {
  const [prefix, setPrefix] = useState("");
  const find = useMutation({
    mutationFn: async () =>
      (await shaped<Listed<Found>>(api.GET("/api/issued_tokens", { params: { query: { prefix: prefix.trim() } } }))).list,
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    find.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={words.find} size="lg" closeButtonProps={{ "aria-label": t.common.close }}>
      <Stack>
        <form onSubmit={submit} autoComplete="off">
          <Group align="flex-end">
            <TextInput
              label={words.findLabel}
              description={words.findHint}
              value={prefix}
              onChange={(event) => setPrefix(event.currentTarget.value)}
              minLength={SHORTEST}
              required
              data-autofocus
              flex={1}
            />
            <Button type="submit" loading={find.isPending}>
              {words.find}
            </Button>
          </Group>
        </form>
        {find.error && <ErrorNote error={find.error} />}
        {find.data?.length === 0 && <Text role="status">{words.foundNone}</Text>}
        {find.data && find.data.length > 0 && <Result found={find.data} onEnded={() => find.mutate()} />}
      </Stack>
    </Modal>
  );
}

function Result({ found, onEnded }: { found: Found[]; onEnded: () => void }) {
  const allowed = usePermissions()["RevokeToken"];
  const revoke = useMutation({
    mutationFn: ({ id }: Found) => api.DELETE("/api/issued_tokens/{id}", { params: { path: { id } } }),
    onSuccess: (_, { name }) => {
      tell(words.revoked(name));
      onEnded();
    },
  });
  return (
    <>
      <Table aria-label={words.found}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{words.whose}</Table.Th>
            <Table.Th>{words.name}</Table.Th>
            <Table.Th>{words.lastUsed}</Table.Th>
            <Table.Th>{t.common.actions}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {found.map((token) => (
            <Table.Tr key={token.id}>
              <Table.Td className="break">{token.username}</Table.Td>
              <Table.Td className="break">{token.name}</Table.Td>
              <Table.Td>
                <Time at={token.last_used_at} />
              </Table.Td>
              <Table.Td>
                <MayButton
                  size="compact-sm"
                  color="red"
                  allowed={allowed}
                  loading={revoke.isPending}
                  aria-label={words.revoke(token.name)}
                  onClick={() => revoke.mutate(token)}
                >
                  {words.revokeVerb}
                </MayButton>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {revoke.error && <ErrorNote error={revoke.error} />}
    </>
  );
}
