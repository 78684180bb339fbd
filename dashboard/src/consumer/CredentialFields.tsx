/** The fields of a credential: one way to prove who one is, with what that needs. */
import { Fieldset, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import type { PluginConfigs } from "@/api/shapes";
import { ConfForm } from "@/plugin/ConfForm";
import { catalogueQuery } from "@/plugin/queries";
import { t } from "@/texts";
import { AboutFields } from "@/ui/AboutFields";
import type { FieldsProps } from "@/ui/EditDrawer";
import { NameInput } from "@/ui/NameInput";

export function CredentialFields(props: FieldsProps) {
  const { value, onChange, error } = props;
  const { name = "", plugins = {} } = value as { name?: string; plugins?: PluginConfigs };
  const ways = (useQuery(catalogueQuery).data ?? []).filter((plugin) => plugin.authenticates).map((plugin) => plugin.name);
  const [way] = Object.keys(plugins);
  return (
    <Stack>
      <NameInput value={name} error={error} onChange={(name) => onChange({ ...value, name })} />
      <Select
        label={t.consumer.way}
        description={t.consumer.wayHint}
        data={ways}
        value={way ?? null}
        onChange={(next) => next && onChange({ ...value, plugins: { [next]: {} } })}
        allowDeselect={false}
      />
      {way !== undefined && (
        <Fieldset legend={way}>
          <Stack>
            <ConfForm
              key={way}
              name={way}
              place="credential"
              value={plugins[way] ?? {}}
              onChange={(conf) => onChange({ ...value, plugins: { [way]: conf } })}
            />
            <Text size="sm" c="dimmed">
              {t.consumer.secretHint}
            </Text>
          </Stack>
        </Fieldset>
      )}
      <AboutFields {...props} />
    </Stack>
  );
}
