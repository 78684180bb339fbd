/** Makes a gateway group's own key of the Admin API, and shows it this once. */
import { Group } from "@mantine/core";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
import { MayButton } from "@/ui/MayButton";
import { Once } from "@/ui/Once";
import { Section } from "@/ui/Section";

import { inGroup } from "./queries";

export function AdminKey({ groupId }: { groupId: string }) {
  const allowed = usePermissions({ groupId })["UpdateGatewayGroup"];
  const [asking, setAsking] = useState(false);
  const [key, setKey] = useState<string>();
  return (
    <Section title={t.settings.key} said={t.settings.keyHint}>
      <Group>
        <MayButton allowed={allowed} variant="default" onClick={() => setAsking(true)}>
          {t.settings.makeKey}
        </MayButton>
      </Group>
      <Deed
        to={asking ? groupId : undefined}
        title={() => t.settings.makeKey}
        verb={t.settings.makeKey}
        hint={() => t.settings.makeKeyHint}
        act={(id) =>
          shaped<{ value: { key: string } }>(
            api.PUT("/api/gateway_groups/{gateway_group_id}/admin_key", { params: inGroup(id) }),
          )
        }
        tell={(_, made) => setKey(made.value.key)}
        stale={["group", groupId]}
        onClose={() => setAsking(false)}
      />
      <Once title={t.settings.keyMade} secret={key} onClose={() => setKey(undefined)} />
    </Section>
  );
}
