/** The end of a gateway group; its name has to be typed first. */
import { Checkbox, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api } from "@/api/client";
import type { Group as GatewayGroup } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { MayButton } from "@/ui/MayButton";
import { Section } from "@/ui/Section";
import { tell } from "@/ui/told";

import { inGroup } from "./queries";

export function DeleteGroup({ group }: { group: GatewayGroup }) {
  const allowed = usePermissions({ groupId: group.id })["DeleteGatewayGroup"];
  const [asking, setAsking] = useState(false);
  const [force, setForce] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => {
      const params = { ...inGroup(group.id), query: force ? { force: "true" } : {} };
      return api.DELETE("/api/gateway_groups/{gateway_group_id}", { params: params as never });
    },
    onSuccess: async () => {
      tell(t.settings.deleted(group.name));
      await navigate({ to: "/" });
      queries.removeQueries({ queryKey: ["group", group.id] });
      await queries.invalidateQueries({ queryKey: ["groups"] });
    },
  });
  return (
    <Section title={t.settings.delete} said={t.settings.deleteHint}>
      <Group>
        <MayButton allowed={allowed} color="red" variant="outline" onClick={() => setAsking(true)}>
          {t.settings.delete}
        </MayButton>
      </Group>
      <Confirm
        opened={asking}
        title={t.settings.delete}
        verb={t.common.remove}
        word={group.name}
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => {
          remove.reset();
          setAsking(false);
        }}
      >
        <Stack>
          <Text size="sm">{t.group.removeHint(group.name)}</Text>
          <Checkbox
            label={t.settings.deleteForce}
            checked={force}
            onChange={(event) => setForce(event.currentTarget.checked)}
          />
        </Stack>
      </Confirm>
    </Section>
  );
}
