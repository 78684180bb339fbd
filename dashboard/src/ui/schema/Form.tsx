/** A form drawn from a JSON schema; loaded only where there is one (see SchemaForm). */
import { Stack } from "@mantine/core";
import { useMemo } from "react";

import type { Json } from "../DocumentEditor";
import { Properties } from "./Properties";
import { problemsOf } from "./problems";
import { expanded, type Schema } from "./schema";

export interface FormProps {
  schema: Json;
  value: Json;
  readOnly?: boolean;
  /** Only what the user fills in is kept: defaults stay the server's. */
  onChange: (value: Json) => void;
}

export function Form({ schema, value, readOnly = false, onChange }: FormProps) {
  const drawn = useMemo(() => expanded(schema as Schema), [schema]);
  const problems = useMemo(() => problemsOf(drawn, value), [drawn, value]);
  return (
    <Stack gap="md">
      <Properties
        schema={drawn}
        value={value}
        pointer=""
        problems={problems}
        readOnly={readOnly}
        onChange={(next) => onChange(next ?? {})}
      />
    </Stack>
  );
}
