/** The fields of a route; its plugins and conditions stand in the text beside the form. */
import { Checkbox, MultiSelect, NumberInput, Stack, Textarea, TextInput } from "@mantine/core";

import type { Json } from "@/api/resources";
import { t } from "@/texts";
import type { FieldsProps } from "@/ui/EditDrawer";
import { fieldError } from "@/ui/ErrorNote";
import { LabelsInput } from "@/ui/Labels";

import { PathsInput } from "./PathsInput";
import { METHODS, without } from "./shapes";

interface RouteBody extends Json {
  name?: string;
  desc?: string;
  labels?: Record<string, string>;
  paths?: string[];
  methods?: string[];
  priority?: number;
  enable_websocket?: boolean;
  server_port?: number;
  sni?: string;
}

/** Sets a field, or takes it away when it says nothing: what is absent and what is empty are two things to the API. */
function changed(body: RouteBody, key: string, value: unknown): RouteBody {
  const nothing = value === "" || value === undefined || (Array.isArray(value) && value.length === 0);
  return nothing ? without(body, key) : { ...body, [key]: value };
}

export function HttpRouteFields({ value, onChange, error }: FieldsProps) {
  const route: RouteBody = value;
  const set = (key: string, part: unknown) => onChange(changed(route, key, part));
  return (
    <Stack>
      <Name value={value} onChange={onChange} error={error} />
      <PathsInput
        value={route.paths ?? []}
        onChange={(paths) => onChange({ ...route, paths })}
        error={fieldError(error, "/paths/0") ?? fieldError(error, "/paths")}
        required
      />
      <MultiSelect
        label={t.service.methods}
        description={t.service.methodsHint}
        data={METHODS}
        value={route.methods ?? []}
        onChange={(methods) => set("methods", methods)}
        clearable
      />
      <NumberInput
        label={t.service.priority}
        description={t.service.priorityHint}
        value={route.priority ?? 0}
        onChange={(priority) => set("priority", Number(priority))}
        allowDecimal={false}
      />
      <Checkbox
        label={t.service.websocket}
        checked={route.enable_websocket ?? false}
        onChange={(event) => set("enable_websocket", event.currentTarget.checked || undefined)}
      />
      <About value={value} onChange={onChange} error={error} />
    </Stack>
  );
}

export function StreamRouteFields({ value, onChange, error }: FieldsProps) {
  const route: RouteBody = value;
  const set = (key: string, part: unknown) => onChange(changed(route, key, part));
  return (
    <Stack>
      <Name value={value} onChange={onChange} error={error} />
      <NumberInput
        label={t.service.port}
        value={route.server_port ?? ""}
        onChange={(port) => set("server_port", port === "" ? undefined : Number(port))}
        error={fieldError(error, "/server_port")}
        min={1}
        max={65535}
        allowDecimal={false}
      />
      <TextInput
        label={t.service.sni}
        value={route.sni ?? ""}
        onChange={(event) => set("sni", event.currentTarget.value.trim())}
        error={fieldError(error, "/sni")}
      />
      <About value={value} onChange={onChange} error={error} />
    </Stack>
  );
}

function Name({ value, onChange, error }: FieldsProps) {
  const route: RouteBody = value;
  return (
    <TextInput
      label={t.service.name}
      value={route.name ?? ""}
      onChange={(event) => onChange({ ...route, name: event.currentTarget.value })}
      error={fieldError(error, "/name")}
      required
      data-autofocus
    />
  );
}

function About({ value, onChange }: FieldsProps) {
  const route: RouteBody = value;
  const set = (key: string, part: unknown) => onChange(changed(route, key, part));
  return (
    <>
      <Textarea
        label={t.service.description}
        value={route.desc ?? ""}
        onChange={(event) => set("desc", event.currentTarget.value)}
        autosize
      />
      <LabelsInput
        label={t.common.labels}
        value={route.labels ?? {}}
        onChange={(labels) => set("labels", Object.keys(labels).length > 0 ? labels : undefined)}
      />
    </>
  );
}
