/** Seconds for connecting, sending and reading. */
import { Group, NumberInput, Stack, Text } from "@mantine/core";

import type { Json } from "@/api/resources";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { changed } from "@/ui/objects";

export interface Timeout extends Json {
  connect?: number;
  send?: number;
  read?: number;
}

interface Props {
  hint: string;
  value: Timeout | undefined;
  onChange: (value: Timeout | undefined) => void;
  error: Error | null;
  /** Where it stands in what is sent. */
  pointer?: string;
}

const STEPS = ["connect", "send", "read"] as const;

export function TimeoutInput({ hint, value = {}, onChange, error, pointer = "/timeout" }: Props) {
  return (
    <Stack gap={4} role="group" aria-label={t.route.timeout}>
      <Text size="sm" fw={500}>
        {t.route.timeout}
      </Text>
      <Text size="xs" c="dimmed">
        {hint}
      </Text>
      <Group grow align="flex-start">
        {STEPS.map((step) => (
          <NumberInput
            key={step}
            label={t.route.steps[step]}
            value={value[step] ?? ""}
            onChange={(seconds) => onChange(changed(value, step, seconds === "" ? undefined : Number(seconds)))}
            error={fieldError(error, `${pointer}/${step}`)}
            min={0}
            hideControls
          />
        ))}
      </Group>
    </Stack>
  );
}
