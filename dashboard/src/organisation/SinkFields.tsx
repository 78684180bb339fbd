/** The form of a destination of the audit log: a syslog server or a webhook. */
import { Group, NumberInput, SegmentedControl, Select, Switch, Textarea, TextInput } from "@mantine/core";

import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { HeadersInput } from "@/ui/HeadersInput";
import { NameInput } from "@/ui/NameInput";

import type { SinkForm, Syslog } from "./sink";

const words = t.organisation.sinks;

interface Props<T> {
  value: T;
  error: Error | null;
  onChange: (value: T) => void;
}

export function SinkFields({ value, error, onChange }: Props<SinkForm>) {
  const certificate = (
    <Textarea
      label={words.ca}
      description={words.caHint}
      value={value[value.type].ca}
      onChange={(event) => onChange({ ...value, [value.type]: { ...value[value.type], ca: event.currentTarget.value } })}
      autosize
      minRows={2}
      maxRows={8}
    />
  );
  return (
    <>
      <NameInput value={value.name} error={error} onChange={(name) => onChange({ ...value, name })} />
      <SegmentedControl
        aria-label={words.type}
        data={(["syslog", "webhook"] as const).map((type) => ({ value: type, label: words.types[type] }))}
        value={value.type}
        onChange={(type) => onChange({ ...value, type })}
      />
      {value.type === "syslog" ? (
        <SyslogFields value={value.syslog} error={error} onChange={(syslog) => onChange({ ...value, syslog })} />
      ) : (
        <WebhookFields value={value.webhook} error={error} onChange={(webhook) => onChange({ ...value, webhook })} />
      )}
      {certificate}
      <Switch
        label={words.enabled}
        checked={value.enabled}
        onChange={(event) => onChange({ ...value, enabled: event.currentTarget.checked })}
      />
    </>
  );
}

function SyslogFields({ value, error, onChange }: Props<Syslog>) {
  const number = (given: string | number) => (typeof given === "number" ? given : 0);
  return (
    <>
      <Group grow align="flex-start">
        <TextInput
          label={words.host}
          value={value.host}
          onChange={(event) => onChange({ ...value, host: event.currentTarget.value })}
          error={fieldError(error, "/config/host")}
          required
        />
        <NumberInput
          label={words.port}
          value={value.port}
          onChange={(port) => onChange({ ...value, port: number(port) })}
          min={1}
          max={65535}
          required
        />
      </Group>
      <Select
        label={words.protocol}
        data={(["tls", "tcp", "udp"] as const).map((protocol) => ({ value: protocol, label: words.protocols[protocol] }))}
        value={value.protocol}
        onChange={(protocol) => protocol && onChange({ ...value, protocol })}
        allowDeselect={false}
      />
      <Group grow align="flex-start">
        <NumberInput
          label={words.facility}
          description={words.facilityHint}
          value={value.facility}
          onChange={(facility) => onChange({ ...value, facility: number(facility) })}
          error={fieldError(error, "/config/facility")}
          min={0}
          max={23}
        />
        <TextInput
          label={words.appName}
          value={value.app_name}
          onChange={(event) => onChange({ ...value, app_name: event.currentTarget.value })}
          error={fieldError(error, "/config/app_name")}
          inputWrapperOrder={["label", "input", "description", "error"]}
          required
        />
      </Group>
    </>
  );
}

function WebhookFields({ value, error, onChange }: Props<SinkForm["webhook"]>) {
  return (
    <>
      <TextInput
        label={words.url}
        description={words.urlHint}
        placeholder="https://"
        value={value.url}
        onChange={(event) => onChange({ ...value, url: event.currentTarget.value })}
        error={fieldError(error, "/config/url")}
        required
      />
      <HeadersInput
        hint={t.organisation.headersHint}
        value={value.headers}
        at="/config/headers"
        error={error}
        onChange={(headers) => onChange({ ...value, headers })}
      />
    </>
  );
}
