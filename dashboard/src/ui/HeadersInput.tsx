/** Headers that are sent somewhere, as names and values. */
import { ActionIcon, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";

import { t } from "@/texts";

import { fieldError } from "./ErrorNote";

const words = t.common.headers;
export type Header = [name: string, value: string];

interface Props {
  hint: string;
  value: Header[];
  /** The pointer of the headers in the body. */
  at: string;
  error: Error | null;
  onChange: (value: Header[]) => void;
}

export function HeadersInput({ hint, value, at, error, onChange }: Props) {
  const change = (index: number, pair: Header) => onChange(value.map((each, at) => (at === index ? pair : each)));
  return (
    <Stack gap="xs" role="group" aria-label={words.title}>
      <div>
        <Text size="sm" fw={500}>
          {words.title}
        </Text>
        <Text size="xs" c="dimmed">
          {hint}
        </Text>
      </div>
      {value.map(([name, text], index) => (
        <Group key={index} gap="xs" align="flex-end" wrap="nowrap">
          <TextInput
            label={words.name}
            value={name}
            onChange={(event) => change(index, [event.currentTarget.value, text])}
            error={fieldError(error, `${at}/${name}`)}
            required
          />
          <TextInput
            label={words.value}
            value={text}
            onChange={(event) => change(index, [name, event.currentTarget.value])}
            flex={1}
            required
          />
          <ActionIcon
            variant="default"
            size={36}
            aria-label={words.remove(name)}
            onClick={() => onChange(value.filter((_, at) => at !== index))}
          >
            <Trash2 size={16} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      <Button
        variant="default"
        size="xs"
        w="fit-content"
        leftSection={<Plus size={14} aria-hidden />}
        onClick={() => onChange([...value, ["", ""]])}
      >
        {words.add}
      </Button>
    </Stack>
  );
}
