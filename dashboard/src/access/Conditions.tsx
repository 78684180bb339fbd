/** Where a statement counts: labels that must have a value. */
import { Select, Stack, Text, TextInput } from "@mantine/core";

import { t } from "@/texts";
import { Rows } from "@/ui/Rows";

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
      <Rows
        rows={value}
        fresh={{ of: known[0] ?? "", key: "", value: "" }}
        add={words.addCondition}
        remove={(_, index) => words.removeCondition(index + 1)}
        wraps
        readOnly={readOnly}
        onChange={onChange}
      >
        {(condition, change) => (
          <>
            <Select
              label={words.of}
              data={known.map((name) => ({ value: name, label: words.labels[name] ?? name }))}
              value={condition.of}
              onChange={(of) => of && change({ ...condition, of })}
              allowDeselect={false}
              readOnly={readOnly}
              w={210}
            />
            <TextInput
              label={words.key}
              value={condition.key}
              onChange={(event) => change({ ...condition, key: event.currentTarget.value })}
              readOnly={readOnly}
              required
              w={150}
            />
            <TextInput
              label={words.is}
              value={condition.value}
              onChange={(event) => change({ ...condition, value: event.currentTarget.value })}
              readOnly={readOnly}
              required
              w={150}
            />
          </>
        )}
      </Rows>
    </Stack>
  );
}
