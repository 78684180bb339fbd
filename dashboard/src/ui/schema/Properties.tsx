/** The fields of an object: of many, those at first that must be there or are, the others when asked for. */
import { Button, Collapse, Stack } from "@mantine/core";
import { useState } from "react";

import { t } from "@/texts";

import type { Json } from "../DocumentEditor";
import { without } from "../objects";
import { Field } from "./Field";
import type { Problems } from "./problems";
import type { Schema } from "./schema";

interface Props {
  schema: Schema;
  value: Json;
  /** Where it stands in the whole. */
  pointer: string;
  problems: Problems;
  readOnly: boolean;
  /** Undefined when nothing is left of it. */
  onChange: (value: Json | undefined) => void;
}

const FEW = 8;
const FIRST = 5;

export function Properties({ schema, value, pointer, problems, readOnly, onChange }: Props) {
  const fields = Object.entries(schema.properties ?? {});
  const required = schema.required ?? [];
  const [all, setAll] = useState(false);
  const [first] = useState(() => new Set(atFirst(fields.map(([name]) => name), required, value)));
  const set = (name: string, part: unknown) => {
    const next = part === undefined ? without(value, name) : { ...value, [name]: part };
    onChange(Object.keys(next).length > 0 ? next : undefined);
  };
  const draw = (some: [string, Schema][]) =>
    some.map(([name, part]) => (
      <Field
        key={name}
        name={name}
        schema={part}
        value={value[name]}
        required={required.includes(name)}
        pointer={`${pointer}/${name}`}
        problems={problems}
        readOnly={readOnly}
        onChange={(next) => set(name, next)}
      />
    ));
  const more = fields.filter(([name]) => !first.has(name));
  return (
    <>
      {draw(fields.filter(([name]) => first.has(name)))}
      {more.length > 0 && (
        <>
          <Button variant="default" size="xs" w="fit-content" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? t.form.less : t.form.more(more.length)}
          </Button>
          <Collapse expanded={all}>
            <Stack gap="md">{draw(more)}</Stack>
          </Collapse>
        </>
      )}
    </>
  );
}

function atFirst(names: string[], required: string[], value: Json): string[] {
  if (names.length <= FEW) return names;
  const early = names.filter((name) => name !== "_meta").slice(0, FIRST);
  return names.filter((name) => early.includes(name) || required.includes(name) || name in value);
}
