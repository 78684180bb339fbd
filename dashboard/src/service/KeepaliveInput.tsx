/** How long connections to an upstream are kept for the next request. */
import { Group, NumberInput, Stack, Text } from "@mantine/core";

import type { Json } from "@/api/resources";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { changed } from "@/ui/objects";

const words = t.upstream.keepalive;

export interface Keepalive extends Json {
  idle_timeout?: number;
  requests?: number;
}

interface Props {
  value: Keepalive | undefined;
  error: Error | null;
  /** Where it stands in what is sent. */
  pointer: string;
  onChange: (value: Keepalive | undefined) => void;
}

const FIELDS = [
  { key: "idle_timeout", least: 0, usual: "60", whole: false },
  { key: "requests", least: 1, usual: "1000", whole: true },
] as const;

export function KeepaliveInput({ value = {}, error, pointer, onChange }: Props) {
  return (
    <Stack gap={4} role="group" aria-label={words.title}>
      <Text size="sm" fw={500}>
        {words.title}
      </Text>
      <Group grow align="flex-start">
        {FIELDS.map(({ key, least, usual, whole }) => (
          <NumberInput
            key={key}
            label={words[key]}
            placeholder={t.form.unsaid(usual)}
            value={value[key] ?? ""}
            onChange={(next) => onChange(changed(value, key, next === "" ? undefined : Number(next)))}
            error={fieldError(error, `${pointer}/${key}`)}
            min={least}
            allowDecimal={!whole}
            hideControls
          />
        ))}
      </Group>
    </Stack>
  );
}
