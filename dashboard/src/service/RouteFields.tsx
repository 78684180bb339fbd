/** The fields of a route: what it matches, what is done with it, and its plugins. */
import { Checkbox, Fieldset, MultiSelect, NumberInput, Stack, Switch, TagsInput, TextInput } from "@mantine/core";

import type { Json } from "@/api/resources";
import { PluginsField } from "@/plugin/PluginsField";
import { t } from "@/texts";
import { AboutFields } from "@/ui/AboutFields";
import type { FieldsProps } from "@/ui/EditDrawer";
import { fieldError } from "@/ui/ErrorNote";
import { changed, without } from "@/ui/objects";
import { YamlInput } from "@/ui/schema/YamlInput";

import { PathsInput } from "./PathsInput";
import { METHODS, type UpstreamBody } from "./shapes";
import { type Timeout, TimeoutInput } from "./TimeoutInput";
import { UpstreamFields } from "./UpstreamFields";

interface RouteBody extends Json {
  name?: string;
  paths?: string[];
  methods?: string[];
  hosts?: string[];
  remote_addrs?: string[];
  vars?: unknown[];
  priority?: number;
  enable_websocket?: boolean;
  timeout?: Timeout;
  upstream?: UpstreamBody;
  server_addr?: string;
  server_port?: number;
  remote_addr?: string;
  sni?: string;
  tls_passthrough?: boolean;
}

export function HttpRouteFields(props: FieldsProps) {
  return (
    <Stack>
      <Name {...props} />
      <Matching {...props} />
      <Sending {...props} />
      <PluginsField {...props} place="route" />
      <AboutFields {...props} />
    </Stack>
  );
}

export function StreamRouteFields(props: FieldsProps) {
  return (
    <Stack>
      <Name {...props} />
      <Connections {...props} />
      <PluginsField {...props} place="stream" />
      <AboutFields {...props} />
    </Stack>
  );
}

function Matching({ value, onChange, error }: FieldsProps) {
  const route: RouteBody = value;
  const set = (key: string, part: unknown) => onChange(changed(route, key, part));
  return (
    <Fieldset legend={t.route.matching}>
      <Stack>
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
          error={fieldError(error, "/methods/0")}
          clearable
        />
        <TagsInput
          label={t.service.hosts}
          description={t.route.hostsHint}
          value={route.hosts ?? []}
          onChange={(hosts) => set("hosts", hosts)}
          error={fieldError(error, "/hosts")}
          splitChars={[",", " "]}
          acceptValueOnBlur
        />
        <TagsInput
          label={t.route.clients}
          description={t.route.clientsHint}
          value={route.remote_addrs ?? []}
          onChange={(networks) => set("remote_addrs", networks)}
          error={fieldError(error, "/remote_addrs")}
          splitChars={[",", " "]}
          acceptValueOnBlur
        />
        <YamlInput
          label={t.route.conditions}
          description={t.route.conditionsHint}
          placeholder="- [arg_version, ==, v2]"
          value={route.vars}
          onChange={(vars) => set("vars", vars)}
          error={fieldError(error, "/vars")}
        />
        <NumberInput
          label={t.service.priority}
          description={t.service.priorityHint}
          value={route.priority ?? 0}
          onChange={(priority) => set("priority", Number(priority))}
          error={fieldError(error, "/priority")}
          allowDecimal={false}
        />
      </Stack>
    </Fieldset>
  );
}

function Sending({ value, onChange, error }: FieldsProps) {
  const route: RouteBody = value;
  const set = (key: string, part: unknown) => onChange(changed(route, key, part));
  return (
    <Fieldset legend={t.route.sending}>
      <Stack>
        <Checkbox
          label={t.service.websocket}
          checked={route.enable_websocket ?? false}
          onChange={(event) => set("enable_websocket", event.currentTarget.checked || undefined)}
        />
        <TimeoutInput
          hint={t.route.timeoutHint}
          value={route.timeout}
          onChange={(timeout) => set("timeout", timeout)}
          error={error}
        />
        <Switch
          label={t.route.ownUpstream}
          description={t.route.ownUpstreamHint}
          checked={route.upstream !== undefined}
          onChange={(event) =>
            onChange(
              event.currentTarget.checked
                ? { ...route, upstream: { scheme: "http", nodes: [{ host: "", weight: 1 }] } }
                : without(route, "upstream"),
            )
          }
        />
        {route.upstream && (
          <UpstreamFields
            value={route.upstream}
            routes
            error={error}
            onChange={(upstream) => onChange({ ...route, upstream })}
          />
        )}
      </Stack>
    </Fieldset>
  );
}

function Connections({ value, onChange, error }: FieldsProps) {
  const route: RouteBody = value;
  const set = (key: string, part: unknown) => onChange(changed(route, key, part));
  const text = (key: "server_addr" | "remote_addr" | "sni", description: string) => (
    <TextInput
      label={t.route.stream[key]}
      description={description}
      value={route[key] ?? ""}
      onChange={(event) => set(key, event.currentTarget.value.trim())}
      error={fieldError(error, `/${key}`)}
    />
  );
  return (
    <Fieldset legend={t.route.connections}>
      <Stack>
        <NumberInput
          label={t.service.port}
          description={t.route.portHint}
          value={route.server_port ?? ""}
          onChange={(port) => set("server_port", port === "" ? undefined : Number(port))}
          error={fieldError(error, "/server_port")}
          min={1}
          max={65535}
          allowDecimal={false}
        />
        {text("sni", t.route.sniHint)}
        {text("remote_addr", t.route.clientsHint)}
        {text("server_addr", t.route.serverHint)}
        <Checkbox
          label={t.route.passthrough}
          description={t.route.passthroughHint}
          checked={route.tls_passthrough ?? false}
          onChange={(event) => set("tls_passthrough", event.currentTarget.checked || undefined)}
        />
      </Stack>
    </Fieldset>
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
