/** What counts for the whole installation. */
import { Group, Stack, Table, TagsInput, Title } from "@mantine/core";
import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, shaped } from "@/api/client";
import { versionQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { tell } from "@/ui/told";
import { Unsaved } from "@/ui/Unsaved";

import { PrometheusSettings } from "./PrometheusSettings";

const words = t.organisation.settings;

interface Settings {
  dp_manager_address: string[];
}

const settingsQuery = queryOptions({
  queryKey: ["system-settings"],
  staleTime: Infinity,
  refetchOnWindowFocus: false,
  gcTime: 0,
  queryFn: async () => (await shaped<{ value: Settings }>(api.GET("/api/system_settings"))).value,
});

export function SettingsPage() {
  const settings = useQuery(settingsQuery);
  const version = useQuery(versionQuery);
  return (
    <Page title={words.title} said={words.hint}>
      <Loaded query={settings}>{(found) => <Form key={settings.dataUpdatedAt} settings={found} />}</Loaded>
      <PrometheusSettings />
      <Stack gap="xs" component="section" maw={640}>
        <Title order={2} size="h4">
          {words.about}
        </Title>
        <Loaded query={version}>
          {({ gatefleet_version: own, value: compatible }) => (
            <Table variant="vertical" aria-label={words.about}>
              <Table.Tbody>
                <Fact name={words.version} value={own} />
                <Fact name={words.compatible} value={compatible} />
              </Table.Tbody>
            </Table>
          )}
        </Loaded>
      </Stack>
    </Page>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <Table.Tr>
      <Table.Th scope="row">{name}</Table.Th>
      <Table.Td>{value}</Table.Td>
    </Table.Tr>
  );
}

function Form({ settings }: { settings: Settings }) {
  const [addresses, setAddresses] = useState(settings.dp_manager_address);
  const allowed = usePermissions()["UpdateSystemSettings"];
  const queries = useQueryClient();
  const changed = JSON.stringify(addresses) !== JSON.stringify(settings.dp_manager_address);
  const save = useMutation({
    mutationFn: () => api.PUT("/api/system_settings", { body: { dp_manager_address: addresses } }),
    onSuccess: async () => {
      tell(words.saved);
      await queries.invalidateQueries({ queryKey: settingsQuery.queryKey });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={640}>
        <TagsInput
          label={words.addresses}
          description={words.addressesHint}
          placeholder={addresses.length === 0 ? words.addressesNone : ""}
          value={addresses}
          onChange={setAddresses}
          error={fieldError(save.error, "/dp_manager_address")}
          inputMode="url"
        />
        {save.error && <ErrorNote error={save.error} />}
        <Group>
          <MayButton type="submit" allowed={allowed} loading={save.isPending} disabled={!changed}>
            {t.common.save}
          </MayButton>
        </Group>
      </Stack>
      <Unsaved changed={changed} />
    </form>
  );
}
