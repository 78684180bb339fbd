/** The fields of a service that its versions carry; where it is in a gateway group is the runtime configuration. */
import { Stack, TextInput } from "@mantine/core";

import { PluginsField } from "@/plugin/PluginsField";
import { t } from "@/texts";
import { AboutFields } from "@/ui/AboutFields";
import type { FieldsProps } from "@/ui/EditDrawer";
import { fieldError } from "@/ui/ErrorNote";

export function ServiceFields(props: FieldsProps) {
  const { value, onChange, error } = props;
  const { name = "", type } = value as { name?: string; type?: string };
  return (
    <Stack>
      <TextInput
        label={t.service.name}
        value={name}
        onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
        error={fieldError(error, "/name")}
        required
        data-autofocus
      />
      <PluginsField {...props} place={type === "stream" ? "stream" : "service"} />
      <AboutFields {...props} />
    </Stack>
  );
}
