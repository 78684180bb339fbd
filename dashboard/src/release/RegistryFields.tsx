/** A service by its name in a registry that all of the chosen gateway groups have. */
import { Group, Select, Stack, TextInput } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import type { Listed } from "@/api/shapes";
import { t } from "@/texts";

import type { InRegistry } from "./calls";

interface Registry {
  id: string;
  name?: string;
}

function registriesQuery(groupId: string) {
  return {
    queryKey: ["group", groupId, "registries"],
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId } };
      const call = api.GET("/api/gateway_groups/{gateway_group_id}/service_registries", { params });
      return (await shaped<Listed<Registry>>(call)).list;
    },
  };
}

interface Props {
  groupIds: string[];
  value: InRegistry;
  onChange: (value: InRegistry) => void;
}

export function RegistryFields({ groupIds, value, onChange }: Props) {
  const change = (part: Partial<InRegistry>) => onChange({ ...value, ...part });
  const [first = [], ...others] = useQueries({ queries: groupIds.map(registriesQuery) }).map((query) => query.data ?? []);
  const shared = first.filter(({ id }) => others.every((list) => list.some((each) => each.id === id)));
  return (
    <Stack gap="xs">
      <Select
        label={t.release.registry}
        description={t.release.registryHint}
        data={shared.map(({ id, name }) => ({ value: id, label: name ?? id }))}
        value={value.registryId || null}
        onChange={(registryId) => change({ registryId: registryId ?? "" })}
        nothingFoundMessage={t.release.noRegistry}
        searchable
        required
      />
      <Group grow align="flex-start">
        <TextInput
          label={t.release.namespace}
          value={value.namespace}
          onChange={(event) => change({ namespace: event.currentTarget.value.trim() })}
          required
        />
        <TextInput
          label={t.release.serviceName}
          value={value.name}
          onChange={(event) => change({ name: event.currentTarget.value.trim() })}
          required
        />
      </Group>
      <TextInput
        label={t.release.registryGroup}
        description={t.release.registryGroupHint}
        value={value.group}
        onChange={(event) => change({ group: event.currentTarget.value.trim() })}
      />
    </Stack>
  );
}
