/** Paths of a route; the slash at the beginning is added for who leaves it out. */
import { TagsInput } from "@mantine/core";

import { t } from "@/texts";

import { slashed } from "./shapes";

interface Props {
  value: string[];
  error?: string | undefined;
  required?: boolean;
  onChange: (value: string[]) => void;
}

export function PathsInput({ value, error, required = false, onChange }: Props) {
  return (
    <TagsInput
      label={t.service.paths}
      description={t.service.pathsHint}
      value={value}
      onChange={(paths) => onChange(slashed(paths))}
      error={error}
      withAsterisk={required}
      acceptValueOnBlur
      splitChars={[",", " "]}
    />
  );
}
