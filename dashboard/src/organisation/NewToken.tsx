/** Makes a token and shows it this once. */
import { Alert, Button, Code, CopyButton, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, shaped } from "@/api/client";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";

import { type Token, tokensQuery } from "./queries";

const words = t.organisation.tokens;
const DAYS = ["7", "30", "90", "365", "0"] as const;
type Days = (typeof DAYS)[number];
const DAY = 86_400;

export function NewToken({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [days, setDays] = useState<Days>("30");
  const make = useMutation({
    mutationFn: async () => {
      const expires_at = days === "0" ? 0 : Math.floor(Date.now() / 1000) + Number(days) * DAY;
      const call = api.POST("/api/tokens", { body: { name, expires_at } });
      return (await shaped<{ value: Token & { token: string } }>(call)).value.token;
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: tokensQuery.queryKey }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={words.make}
      closeOnClickOutside={make.data === undefined}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      {make.data === undefined ? (
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label={words.name}
              description={words.nameHint}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              data-autofocus
              required
            />
            <Select
              label={words.expiry}
              data={DAYS.map((value) => ({ value, label: words.expiries[value] }))}
              value={days}
              onChange={(value) => setDays(value ?? "30")}
              allowDeselect={false}
            />
            {make.error && <ErrorNote error={make.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                {t.common.cancel}
              </Button>
              <Button type="submit" loading={make.isPending}>
                {words.make}
              </Button>
            </Group>
          </Stack>
        </form>
      ) : (
        <Once token={make.data} onClose={onClose} />
      )}
    </Modal>
  );
}

function Once({ token, onClose }: { token: string; onClose: () => void }) {
  return (
    <Stack>
      <Alert variant="outline">{words.once}</Alert>
      <Code block tabIndex={0} role="textbox" aria-readonly aria-label={words.token} className="pre">
        {token}
      </Code>
      <Group justify="flex-end">
        <CopyButton value={token}>
          {({ copied, copy }) => <Button onClick={copy}>{copied ? t.common.copied : t.common.copy}</Button>}
        </CopyButton>
        <Button variant="default" onClick={onClose}>
          {words.done}
        </Button>
      </Group>
    </Stack>
  );
}
