/** The field `name` of what is edited. */
import { TextInput } from "@mantine/core";

import { t } from "@/texts";

import { fieldError } from "./ErrorNote";

interface Props {
  value: string;
  /** What the API refused of the whole. */
  error: Error | null;
  onChange: (name: string) => void;
}

export function NameInput({ value, error, onChange }: Props) {
  return (
    <TextInput
      label={t.common.name}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={fieldError(error, "/name")}
      maxLength={100}
      required
      data-autofocus
    />
  );
}
