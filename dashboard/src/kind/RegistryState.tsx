/** How the instances of a group see a service registry. */
import { Stack, Text } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, many } from "@/api/client";
import { LIVE } from "@/api/queries";
import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { State } from "@/ui/State";

interface Told {
  id: string;
  name: string;
  associated_services_count: number;
  status: keyof typeof LOOKS;
  reason?: string;
}

const LOOKS = { healthy: "good", connecting: "waiting", lost_connection: "bad" } as const;

function statesQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "registry-states"],
    refetchInterval: LIVE,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId } };
      return (await many(api.GET("/api/gateway_groups/{gateway_group_id}/service_registries", { params }))).list;
    },
  });
}

export function RegistryState({ groupId, id }: { groupId: string; id: string }) {
  const list = (useQuery(statesQuery(groupId)).data ?? []) as unknown as Told[];
  const told = list.find((each) => each.id === id);
  if (!told) return "–";
  const details = `${t.registry.details}, ${t.registry.used(told.associated_services_count)}`;
  return (
    <Stack gap={2}>
      <State look={LOOKS[told.status]}>{t.kind.registryStates[told.status]}</State>
      {told.reason && (
        <Text size="xs" c="dimmed" className="break">
          {told.reason}
        </Text>
      )}
      <Go
        to="/groups/$groupId/service_registries/$registryId"
        params={{ groupId, registryId: id }}
        size="xs"
        aria-label={`${details}: ${told.name || id}`}
      >
        {details}
      </Go>
    </Stack>
  );
}
