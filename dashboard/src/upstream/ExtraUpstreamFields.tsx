/** The fields of an upstream beside a service's own: plugins such as traffic-split send requests there. */
import { Stack, TextInput } from "@mantine/core";

import { UpstreamFields } from "@/service/UpstreamFields";
import { t } from "@/texts";
import { AboutFields } from "@/ui/AboutFields";
import type { FieldsProps } from "@/ui/EditDrawer";
import { fieldError } from "@/ui/ErrorNote";

export function ExtraUpstreamFields(props: FieldsProps) {
  return <Fields {...props} stream={false} />;
}

export function ExtraStreamUpstreamFields(props: FieldsProps) {
  return <Fields {...props} stream />;
}

function Fields({ stream, ...props }: FieldsProps & { stream: boolean }) {
  const { value, onChange, error } = props;
  const { name = "" } = value as { name?: string };
  return (
    <Stack>
      <TextInput
        label={t.common.name}
        value={name}
        onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
        error={fieldError(error, "/name")}
        required
        data-autofocus
      />
      <UpstreamFields value={value} stream={stream} error={error} pointer="" onChange={onChange} />
      <AboutFields {...props} />
    </Stack>
  );
}
