/** Makes a token and shows it this once. */
import { Button, Group, Modal, MultiSelect, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { PatternsInput } from "@/access/PatternsInput";
import { vocabularyQuery } from "@/access/queries";
import { actionsOf } from "@/access/suggestions";
import { api, shaped } from "@/api/client";
import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";

import { Once } from "./Once";
import { type Token, tokensQuery } from "./queries";

const words = t.organisation.tokens;
const DAYS = ["7", "30", "90", "365", "0"] as const;
type Days = (typeof DAYS)[number];
const DAY = 86_400;

export function NewToken({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [days, setDays] = useState<Days>("30");
  const [gateway_groups, setGroups] = useState<string[]>([]);
  const [actions, setActions] = useState<string[]>([]);
  const groups = useQuery(groupsQuery).data ?? [];
  const names = useQuery(vocabularyQuery).data?.actions.map(({ action }) => action) ?? [];
  const make = useMutation({
    mutationFn: async () => {
      const expires_at = days === "0" ? 0 : Math.floor(Date.now() / 1000) + Number(days) * DAY;
      const scope = {
        ...(gateway_groups.length > 0 ? { gateway_groups } : {}),
        ...(actions.length > 0 ? { actions } : {}),
      };
      const call = api.POST("/api/tokens", { body: { name, expires_at, ...scope } });
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
            <MultiSelect
              label={words.groups}
              description={words.groupsHint}
              data={groups.map((group) => ({ value: group.id, label: group.name }))}
              value={gateway_groups}
              onChange={setGroups}
              searchable
              nothingFoundMessage={t.common.findNothing}
            />
            <PatternsInput
              label={words.actions}
              description={words.actionsHint}
              value={actions}
              suggestions={actionsOf([...new Set(names)])}
              error={fieldError(make.error, "/statement/0/actions")}
              onChange={setActions}
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
