/** One field of a form, drawn as its schema says; texts of the schema are its help. */
import {
  Button,
  Checkbox,
  Code,
  Fieldset,
  Group,
  MultiSelect,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import type { ComponentType, ReactNode } from "react";

import { t } from "@/texts";

import type { Json } from "../DocumentEditor";
import { Properties } from "./Properties";
import type { Problems } from "./problems";
import { type Look, lookOf, type Schema } from "./schema";
import { YamlInput } from "./YamlInput";

export interface FieldProps {
  name: string;
  schema: Schema;
  value: unknown;
  required: boolean;
  pointer: string;
  problems: Problems;
  readOnly: boolean;
  /** Undefined takes the field away. */
  onChange: (value: unknown) => void;
}

export function Field(props: FieldProps) {
  const Drawn = DRAWN[lookOf(props.schema)];
  return <Drawn {...props} />;
}

/** Text in which `names` stand out. */
export function Said({ text }: { text: string | undefined }): ReactNode {
  return text?.split("`").map((part, index) => (index % 2 ? <Code key={index}>{part}</Code> : part));
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

/** What every input of the kit takes. */
function shared({ name, schema, required, pointer, problems, readOnly }: FieldProps) {
  return {
    label: name,
    description: schema.description ? <Said text={schema.description} /> : undefined,
    placeholder: schema.default === undefined ? undefined : t.form.unsaid(plain(schema.default)),
    withAsterisk: required,
    error: problems[pointer],
    readOnly,
  };
}

function TextField(props: FieldProps) {
  const { schema, value, onChange } = props;
  const Input = schema.pattern ? TextInput : Textarea;
  return (
    <Input
      {...shared(props)}
      {...(Input === Textarea ? { autosize: true } : {})}
      value={plain(value)}
      onChange={(event) => onChange(event.currentTarget.value || undefined)}
    />
  );
}

function SecretField(props: FieldProps) {
  return (
    <PasswordInput
      {...shared(props)}
      value={plain(props.value)}
      autoComplete="off"
      visibilityToggleButtonProps={{ "aria-label": t.form.reveal(props.name) }}
      onChange={(event) => props.onChange(event.currentTarget.value || undefined)}
    />
  );
}

function NumberField(props: FieldProps) {
  const { schema, value, onChange } = props;
  return (
    <NumberInput
      {...shared(props)}
      value={typeof value === "number" ? value : ""}
      allowDecimal={schema.type === "number"}
      hideControls
      onChange={(next) => onChange(next === "" ? undefined : Number(next))}
    />
  );
}

function SwitchField(props: FieldProps) {
  const { schema, value, onChange } = props;
  const { label, description, error } = shared(props);
  const unsaid = schema.default === true;
  return (
    <Checkbox
      label={label}
      description={description}
      error={error}
      disabled={props.readOnly}
      checked={typeof value === "boolean" ? value : unsaid}
      onChange={(event) => onChange(event.currentTarget.checked === unsaid ? undefined : event.currentTarget.checked)}
    />
  );
}

function words(schema: Schema | undefined): unknown[] {
  return schema?.enum ?? (schema?.const === undefined ? [] : [schema.const]);
}

function ChoiceField(props: FieldProps) {
  const offered = words(props.schema);
  return (
    <Select
      {...shared(props)}
      data={offered.map(plain)}
      value={props.value === undefined ? null : plain(props.value)}
      clearable={!props.required}
      onChange={(next) => props.onChange(next === null ? undefined : offered.find((each) => plain(each) === next))}
    />
  );
}

function ChoicesField(props: FieldProps) {
  const offered = words(props.schema.items);
  const chosen = Array.isArray(props.value) ? props.value.map(plain) : [];
  return (
    <MultiSelect
      {...shared(props)}
      data={offered.map(plain)}
      value={chosen}
      clearable
      onChange={(next) => props.onChange(next.length > 0 ? offered.filter((each) => next.includes(plain(each))) : undefined)}
    />
  );
}

function TagsField(props: FieldProps) {
  const { schema, value, onChange } = props;
  const numbers = schema.items?.type !== "string";
  const below = Object.entries(props.problems).find(([pointer]) => pointer.startsWith(`${props.pointer}/`));
  const read = (tag: string) => (numbers && tag.trim() !== "" && !Number.isNaN(Number(tag)) ? Number(tag) : tag);
  return (
    <TagsInput
      {...shared(props)}
      error={props.problems[props.pointer] ?? below?.[1]}
      value={Array.isArray(value) ? value.map(plain) : []}
      acceptValueOnBlur
      onChange={(tags) => onChange(tags.length > 0 ? tags.map(read) : undefined)}
    />
  );
}

function ObjectField(props: FieldProps) {
  const { name, schema, value, onChange } = props;
  return (
    <Fieldset legend={name}>
      <Stack gap="md">
        <Help {...props} />
        <Properties {...props} schema={schema} value={(value ?? {}) as Json} onChange={onChange} />
      </Stack>
    </Fieldset>
  );
}

function ListField(props: FieldProps) {
  const { name, schema, value, pointer, problems, readOnly, onChange } = props;
  const items = Array.isArray(value) ? (value as Json[]) : [];
  const set = (next: Json[]) => onChange(next.length > 0 ? next : undefined);
  return (
    <Fieldset legend={name}>
      <Stack gap="md">
        <Help {...props} />
        {items.map((item, index) => (
          <Fieldset key={index} legend={t.form.item(name, index + 1)}>
            <Stack gap="md">
              <Properties
                schema={schema.items ?? {}}
                value={item}
                pointer={`${pointer}/${index}`}
                problems={problems}
                readOnly={readOnly}
                onChange={(next) => set(items.map((each, place) => (place === index ? (next ?? {}) : each)))}
              />
              <Group justify="flex-end">
                <Button
                  variant="default"
                  size="xs"
                  disabled={readOnly}
                  leftSection={<Trash2 size={14} aria-hidden />}
                  onClick={() => set(items.filter((_, place) => place !== index))}
                >
                  {t.form.removeItem(name, index + 1)}
                </Button>
              </Group>
            </Stack>
          </Fieldset>
        ))}
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          disabled={readOnly}
          leftSection={<Plus size={14} aria-hidden />}
          onClick={() => set([...items, {}])}
        >
          {t.form.addItem(name)}
        </Button>
      </Stack>
    </Fieldset>
  );
}

/** The help and the error of what has no input of its own. */
function Help({ schema, pointer, problems }: FieldProps) {
  return (
    <>
      {schema.description && (
        <Text size="xs" c="dimmed">
          <Said text={schema.description} />
        </Text>
      )}
      {problems[pointer] && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {problems[pointer]}
        </Text>
      )}
    </>
  );
}

function YamlField(props: FieldProps) {
  const below = Object.entries(props.problems).find(([pointer]) => pointer.startsWith(props.pointer));
  return <YamlInput {...shared(props)} error={below?.[1]} value={props.value} onChange={props.onChange} />;
}

const DRAWN: Record<Look, ComponentType<FieldProps>> = {
  fields: ObjectField,
  list: ListField,
  tags: TagsField,
  choices: ChoicesField,
  choice: ChoiceField,
  switch: SwitchField,
  number: NumberField,
  secret: SecretField,
  text: TextField,
  yaml: YamlField,
};
