/** The fields of a consumer. */
import { Stack, TextInput } from "@mantine/core";

import { PluginsField } from "@/plugin/PluginsField";
import { t } from "@/texts";
import { AboutFields } from "@/ui/AboutFields";
import type { FieldsProps } from "@/ui/EditDrawer";
import { fieldError } from "@/ui/ErrorNote";

/** `id` is the name of one that is there; it cannot be changed. */
export function ConsumerFields({ id, ...props }: FieldsProps & { id: string }) {
  const { value, onChange, error } = props;
  const { username = "" } = value as { username?: string };
  return (
    <Stack>
      <TextInput
        label={t.consumer.username}
        description={t.consumer.usernameHint}
        value={username}
        onChange={(event) => onChange({ ...value, username: event.currentTarget.value.trim() })}
        error={fieldError(error, "/username")}
        readOnly={id !== ""}
        required
        data-autofocus
      />
      <PluginsField {...props} place="consumer" />
      <AboutFields {...props} />
    </Stack>
  );
}
