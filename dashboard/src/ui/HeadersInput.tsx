/** Headers that are sent somewhere, as names and values. */
import { Stack, Text, TextInput } from "@mantine/core";

import { t } from "@/texts";

import { fieldError } from "./ErrorNote";
import { Rows } from "./Rows";

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
      <Rows rows={value} fresh={["", ""]} add={words.add} remove={([name]) => words.remove(name)} onChange={onChange}>
        {([name, text], change) => (
          <>
            <TextInput
              label={words.name}
              value={name}
              onChange={(event) => change([event.currentTarget.value, text])}
              error={fieldError(error, `${at}/${name}`)}
              required
            />
            <TextInput
              label={words.value}
              value={text}
              onChange={(event) => change([name, event.currentTarget.value])}
              flex={1}
              required
            />
          </>
        )}
      </Rows>
    </Stack>
  );
}
