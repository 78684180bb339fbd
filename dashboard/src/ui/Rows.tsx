/** A list that is edited row by row: each has its fields and a button that takes it away; one below adds another. */
import { ActionIcon, Button, Group, Stack } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import type { ReactNode } from "react";

interface Props<T> {
  rows: T[];
  /** What a new row begins with. */
  fresh: T;
  add: string;
  remove: (row: T, index: number) => string;
  /** Fields that may stand below each other where there is little room. */
  wraps?: boolean;
  readOnly?: boolean;
  onChange: (rows: T[]) => void;
  /** The fields of a row; `change` puts another in its place. */
  children: (row: T, change: (row: T) => void, index: number) => ReactNode;
}

export function Rows<T>({ rows, fresh, add, remove, wraps = false, readOnly = false, onChange, children }: Props<T>) {
  return (
    <Stack gap="xs">
      {rows.map((row, index) => (
        <Group key={index} gap="xs" align="flex-end" wrap={wraps ? "wrap" : "nowrap"}>
          {children(row, (next) => onChange(rows.map((each, at) => (at === index ? next : each))), index)}
          {!readOnly && (
            <ActionIcon
              variant="default"
              size="input-sm"
              aria-label={remove(row, index)}
              onClick={() => onChange(rows.filter((_, at) => at !== index))}
            >
              <Trash2 size={16} aria-hidden />
            </ActionIcon>
          )}
        </Group>
      ))}
      {!readOnly && (
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<Plus size={14} aria-hidden />}
          onClick={() => onChange([...rows, fresh])}
        >
          {add}
        </Button>
      )}
    </Stack>
  );
}
