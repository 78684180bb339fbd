/** How the health of an upstream's nodes is known. */
import { Group, NumberInput, Select, Stack, Switch, TagsInput, TextInput } from "@mantine/core";

import type { Json } from "@/api/resources";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { changed, without } from "@/ui/objects";

interface Rule extends Json {
  interval?: number;
  http_statuses?: number[];
  successes?: number;
  http_failures?: number;
  tcp_failures?: number;
}

interface Active extends Json {
  type?: string;
  http_path?: string;
  host?: string;
  timeout?: number;
  healthy?: Rule;
  unhealthy?: Rule;
}

interface Passive extends Json {
  unhealthy?: Rule;
}

export interface Checks extends Json {
  active?: Active;
  passive?: Passive;
}

interface Props {
  value: Checks | undefined;
  onChange: (value: Checks | undefined) => void;
  error: Error | null;
  /** Where they stand in what is sent. */
  pointer: string;
}

const TYPES = ["http", "https", "tcp"];

export function ChecksInput({ value, onChange, error, pointer }: Props) {
  const active = value?.active;
  return (
    <Stack>
      <Switch
        label={t.upstream.checks.active}
        description={t.upstream.checks.activeHint}
        checked={active !== undefined}
        onChange={(event) => onChange(event.currentTarget.checked ? { active: {} } : undefined)}
      />
      {active && (
        <>
          <ActiveFields
            active={active}
            error={error}
            pointer={`${pointer}/active`}
            onChange={(next) => onChange({ ...value, active: next })}
          />
          <Switch
            label={t.upstream.checks.passive}
            description={t.upstream.checks.passiveHint}
            checked={value.passive !== undefined}
            onChange={(event) => onChange(event.currentTarget.checked ? { ...value, passive: {} } : without(value, "passive"))}
          />
          {value.passive && (
            <PassiveFields
              passive={value.passive}
              error={error}
              pointer={`${pointer}/passive`}
              onChange={(passive) => onChange({ ...value, passive })}
            />
          )}
        </>
      )}
    </Stack>
  );
}

interface ActiveProps {
  active: Active;
  onChange: (active: Active) => void;
  error: Error | null;
  pointer: string;
}

function ActiveFields({ active, onChange, error, pointer }: ActiveProps) {
  const { healthy = {}, unhealthy = {}, type = "http" } = active;
  const set = (key: string, part: unknown) => onChange(changed(active, key, part));
  const failures = type === "tcp" ? "tcp_failures" : "http_failures";
  const interval = (seconds: number | undefined) => {
    const both = changed(active, "healthy", changed(healthy, "interval", seconds));
    onChange(changed(both, "unhealthy", changed(unhealthy, "interval", seconds)));
  };
  return (
    <>
      <Group grow align="flex-start">
        <Select
          label={t.upstream.checks.type}
          data={TYPES}
          value={type}
          onChange={(next) => set("type", next ?? undefined)}
          allowDeselect={false}
        />
        {type !== "tcp" && (
          <TextInput
            label={t.upstream.checks.path}
            placeholder="/"
            value={active.http_path ?? ""}
            onChange={(event) => set("http_path", event.currentTarget.value)}
            error={fieldError(error, `${pointer}/http_path`)}
          />
        )}
        {type !== "tcp" && (
          <TextInput
            label={t.upstream.checks.host}
            value={active.host ?? ""}
            onChange={(event) => set("host", event.currentTarget.value.trim())}
            error={fieldError(error, `${pointer}/host`)}
          />
        )}
      </Group>
      <Group grow align="flex-start">
        <Whole label={t.upstream.checks.interval} unsaid="1" value={healthy.interval} onChange={interval} />
        <Whole label={t.upstream.checks.timeout} unsaid="1" value={active.timeout} onChange={(next) => set("timeout", next)} />
      </Group>
      <Group grow align="flex-start">
        <Whole
          label={t.upstream.checks.successes}
          unsaid="2"
          value={healthy.successes}
          onChange={(next) => set("healthy", changed(healthy, "successes", next))}
        />
        <Whole
          label={t.upstream.checks.failures}
          unsaid={type === "tcp" ? "2" : "5"}
          value={unhealthy[failures]}
          onChange={(next) => set("unhealthy", changed(unhealthy, failures, next))}
        />
      </Group>
      {type !== "tcp" && (
        <Statuses
          label={t.upstream.checks.wellStatuses}
          usual="200, 302"
          value={healthy.http_statuses}
          error={error}
          pointer={`${pointer}/healthy/http_statuses`}
          onChange={(next) => set("healthy", changed(healthy, "http_statuses", next))}
        />
      )}
    </>
  );
}

interface PassiveProps {
  passive: Passive;
  onChange: (passive: Passive) => void;
  error: Error | null;
  pointer: string;
}

function PassiveFields({ passive, onChange, error, pointer }: PassiveProps) {
  const { unhealthy = {} } = passive;
  const set = (key: string, part: unknown) => onChange(changed(passive, "unhealthy", changed(unhealthy, key, part)));
  return (
    <>
      <Statuses
        label={t.upstream.checks.badStatuses}
        usual="429, 500, 503"
        value={unhealthy.http_statuses}
        error={error}
        pointer={`${pointer}/unhealthy/http_statuses`}
        onChange={(next) => set("http_statuses", next)}
      />
      <Group grow align="flex-start">
        <Whole
          label={t.upstream.checks.badAnswers}
          unsaid="5"
          least={0}
          value={unhealthy.http_failures}
          onChange={(next) => set("http_failures", next)}
        />
        <Whole
          label={t.upstream.checks.badConnections}
          unsaid="2"
          least={0}
          value={unhealthy.tcp_failures}
          onChange={(next) => set("tcp_failures", next)}
        />
      </Group>
    </>
  );
}

interface StatusesProps {
  label: string;
  /** Those that count if none are said. */
  usual: string;
  value: number[] | undefined;
  onChange: (value: number[]) => void;
  error: Error | null;
  pointer: string;
}

function Statuses({ label, usual, value = [], onChange, error, pointer }: StatusesProps) {
  const wrong = value.findIndex((_, index) => fieldError(error, `${pointer}/${index}`) !== undefined);
  return (
    <TagsInput
      label={label}
      placeholder={value.length === 0 ? t.form.unsaid(usual) : ""}
      value={value.map(String)}
      onChange={(statuses) => onChange(statuses.map(Number).filter((status) => status >= 200 && status <= 599))}
      error={fieldError(error, pointer) ?? (wrong < 0 ? undefined : fieldError(error, `${pointer}/${wrong}`))}
      splitChars={[",", " "]}
      inputMode="numeric"
      acceptValueOnBlur
    />
  );
}

interface WholeProps {
  label: string;
  /** What counts if nothing is said. */
  unsaid: string;
  least?: number;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}

function Whole({ label, unsaid, least = 1, value, onChange }: WholeProps) {
  return (
    <NumberInput
      label={label}
      placeholder={t.form.unsaid(unsaid)}
      value={value ?? ""}
      onChange={(next) => onChange(next === "" ? undefined : Number(next))}
      min={least}
      allowDecimal={false}
      hideControls
    />
  );
}
