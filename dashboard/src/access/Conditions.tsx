/** Where a statement counts: labels that must have a value. */
import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";

import { t } from "@/texts";

import type { Condition } from "./statement";

const words = t.access.policies;

interface Props {
  value: Condition[];
  /** Whose labels can be looked at. */
  known: readonly string[];
  readOnly: boolean;
  onChange: (value: Condition[]) => void;
}

export function Conditions({ value, known, readOnly, onChange }: Props) {
  const change = (index: number, part: Partial<Condition>) =>
    onChange(value.map((each, at) => (at === index ? { ...each, ...part } : each)));
  const add = () => onChange([...value, { of: known[0] ?? "", key: "", value: "" }]);
  return (
    <Stack gap="xs" role="group" aria-label={words.conditions}>
      <div>
        <Text size="sm" fw={500}>
          {words.conditions}
        </Text>
        <Text size="xs" c="dimmed">
          {words.conditionsHint}
        </Text>
      </div>
      {value.map((condition, index) => (
        <Group key={index} gap="xs" align="flex-end">
          <Select
            label={words.of}
            data={known.map((name) => ({ value: name, label: words.labels[name] ?? name }))}
            value={condition.of}
            onChange={(of) => of && change(index, { of })}
            allowDeselect={false}
            readOnly={readOnly}
            w={210}
          />
          <TextInput
            label={words.key}
            value={condition.key}
            onChange={(event) => change(index, { key: event.currentTarget.value })}
            readOnly={readOnly}
            required
            w={150}
          />
          <TextInput
            label={words.is}
            value={condition.value}
            onChange={(event) => change(index, { value: event.currentTarget.value })}
            readOnly={readOnly}
            required
            w={150}
          />
          {!readOnly && (
            <ActionIcon
              variant="default"
              size={36}
              aria-label={words.removeCondition(index + 1)}
              onClick={() => onChange(value.filter((_, at) => at !== index))}
            >
              <Trash2 size={16} aria-hidden />
            </ActionIcon>
          )}
        </Group>
      ))}
      {!readOnly && (
        <Button variant="default" size="xs" w="fit-content" leftSection={<Plus size={14} aria-hidden />} onClick={add}>
          {words.addCondition}
        </Button>
      )}
    </Stack>
  );
}
