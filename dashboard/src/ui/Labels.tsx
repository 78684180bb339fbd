/** Labels of a thing, and the input that edits them or filters by them. */
import { Badge, Group, TagsInput } from "@mantine/core";

import type { Labels as Pairs } from "@/api/shapes";

export function Labels({ labels }: { labels: Pairs | undefined }) {
  const pairs = Object.entries(labels ?? {});
  if (pairs.length === 0) return null;
  return (
    <Group gap={4}>
      {pairs.map(([key, value]) => (
        <Badge key={key} variant="default" tt="none" fw={500} radius="sm">
          {key}:{value}
        </Badge>
      ))}
    </Group>
  );
}

/** `env:prod` and `env` as pairs; a key alone has an empty value. */
export function parsed(tags: readonly string[]): Pairs {
  return Object.fromEntries(
    tags.map((tag) => {
      const [key = "", ...rest] = tag.split(":");
      return [key.trim(), rest.join(":").trim()];
    }),
  );
}

/** Whether labels have all of these; an empty value asks for the key alone. */
export function matches(labels: Pairs | undefined, wanted: Pairs): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const found = labels?.[key];
    return found !== undefined && (value === "" || found === value);
  });
}

interface Props {
  label: string;
  placeholder?: string;
  description?: string;
  value: Pairs;
  /** What is offered while typing, as `key:value`. */
  known?: string[];
  error?: string | undefined;
  hideLabel?: boolean;
  onChange: (value: Pairs) => void;
}

export function LabelsInput({ label, hideLabel, value, known = [], onChange, ...rest }: Props) {
  return (
    <TagsInput
      {...(hideLabel ? { "aria-label": label } : { label })}
      {...rest}
      value={Object.entries(value).map(([key, part]) => (part === "" ? key : `${key}:${part}`))}
      data={known}
      onChange={(tags) => onChange(parsed(tags))}
      clearable
      miw={220}
    />
  );
}
