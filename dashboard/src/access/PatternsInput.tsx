/** Patterns one by one: chosen from what there is, or typed. */
import { Group, TagsInput, Text } from "@mantine/core";

interface Suggestion {
  group: string;
  items: string[];
}

interface Props {
  label: string;
  description: string;
  value: string[];
  suggestions: Suggestion[];
  /** What stands beside a suggestion. */
  said?: (item: string) => string | undefined;
  /** What the patterns come to, below them. */
  means?: string | undefined;
  error?: string | undefined;
  readOnly?: boolean;
  onChange: (value: string[]) => void;
}

export function PatternsInput({ label, description, value, suggestions, said, means, error, readOnly = false, onChange }: Props) {
  return (
    <div>
      <TagsInput
        label={label}
        description={description}
        value={value}
        data={suggestions}
        error={error}
        readOnly={readOnly}
        maxDropdownHeight={320}
        // a comma may be part of a regular expression
        splitChars={[]}
        renderOption={({ option }) => (
          <Group gap="xs" justify="space-between" w="100%">
            <Text size="sm" className="break">
              {option.value}
            </Text>
            <Text size="xs" c="dimmed" lineClamp={1}>
              {said?.(option.value)}
            </Text>
          </Group>
        )}
        onChange={onChange}
      />
      {means !== undefined && value.length > 0 && (
        <Text size="xs" c="dimmed" mt={4} role="status">
          {means}
        </Text>
      )}
    </div>
  );
}
