/** The form that makes a gateway group. */
import { Button, Group, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, written } from "@/api/client";
import type { Group as GatewayGroup } from "@/api/shapes";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { GuardedDrawer } from "@/ui/GuardedDrawer";

import { bodyOf, FRESH, GroupFields } from "./GroupFields";

export function GroupForm({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  // a new form each time it opens
  return opened ? <Opened onClose={onClose} /> : null;
}

function Opened({ onClose }: { onClose: () => void }) {
  const [body, setBody] = useState(FRESH);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const save = useMutation({
    mutationFn: () => written<GatewayGroup>(api.POST("/api/gateway_groups", { body: bodyOf(body) })),
    onSuccess: async ({ value }) => {
      await queries.invalidateQueries({ queryKey: ["groups"] });
      onClose();
      await navigate({ to: "/groups/$groupId", params: { groupId: value.id }, ignoreBlocker: true });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const changed = JSON.stringify(body) !== JSON.stringify(FRESH) && !save.isSuccess;
  return (
    <GuardedDrawer opened title={t.fleet.add} size="md" changed={changed} onClose={onClose}>
      {(ask) => (
        <form onSubmit={submit}>
          <Stack>
            <GroupFields body={body} error={save.error} onChange={setBody} />
            {save.error && <ErrorNote error={save.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={ask}>
                {t.common.cancel}
              </Button>
              <Button type="submit" loading={save.isPending}>
                {t.fleet.add}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </GuardedDrawer>
  );
}
