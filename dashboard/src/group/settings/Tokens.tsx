/** The join tokens of a gateway group that were handed out, and their withdrawal. */
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "@/api/client";
import { type Allowed, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Permitted } from "@/ui/Permitted";
import { Section } from "@/ui/Section";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { type JoinToken, tokensQuery } from "./queries";

export function Tokens({ groupId }: { groupId: string }) {
  const permissions = usePermissions({ groupId });
  const tokens = useQuery({ ...tokensQuery(groupId), enabled: permissions["ListInstanceTokens"] === true });
  const [leaving, setLeaving] = useState<JoinToken>();
  return (
    <Section title={t.settings.tokens} said={t.settings.tokensHint}>
      <Permitted allowed={permissions["ListInstanceTokens"]}>
        <Loaded query={tokens} lines={2}>
          {(list) =>
            list.length === 0 ? (
              <Text c="dimmed">{t.settings.noTokens}</Text>
            ) : (
              <DataTable
                label={t.settings.tokens}
                rows={list}
                columns={columnsOf(permissions["DeleteInstanceToken"], setLeaving)}
                rowId={(token) => token.id}
                maxHeight={300}
              />
            )
          }
        </Loaded>
      </Permitted>
      <Deed
        to={leaving}
        title={({ id }) => t.settings.withdrawOne(id)}
        verb={t.settings.withdraw}
        hint={() => t.settings.withdrawHint}
        act={({ id }) =>
          api.DELETE("/api/gateway_groups/{gateway_group_id}/instance_tokens/{id}", {
            params: { path: { gateway_group_id: groupId, id } },
          })
        }
        tell={() => tell(t.settings.withdrawn)}
        stale={tokensQuery(groupId).queryKey}
        onClose={() => setLeaving(undefined)}
      />
    </Section>
  );
}

function columnsOf(allowed: Allowed | undefined, onWithdraw: (token: JoinToken) => void): Column<JoinToken>[] {
  return [
    { id: "id", header: t.settings.token, accessorKey: "id", cell: ({ row }) => <span className="break">{row.original.id}</span> },
    {
      id: "created",
      header: t.common.created,
      accessorKey: "created_at",
      cell: ({ row }) => <Time at={row.original.created_at} />,
    },
    {
      id: "used",
      header: t.settings.lastUsed,
      accessorFn: (token) => token.last_used_at ?? 0,
      cell: ({ row }) => <Time at={row.original.last_used_at} />,
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => (
        <MayButton
          allowed={allowed}
          size="xs"
          variant="default"
          aria-label={t.settings.withdrawOne(row.original.id)}
          onClick={() => onWithdraw(row.original)}
        >
          {t.settings.withdraw}
        </MayButton>
      ),
    },
  ];
}
