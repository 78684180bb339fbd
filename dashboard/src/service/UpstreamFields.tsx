/** Where a service is and how it is talked to: what most upstreams need; the rest is asked for, or text. */
import { Button, Collapse, Group, NumberInput, SegmentedControl, Select, Stack, TextInput } from "@mantine/core";
import { useState } from "react";

import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { changed, without } from "@/ui/objects";

import { ChecksInput } from "./ChecksInput";
import { KeepaliveInput } from "./KeepaliveInput";
import { NodesInput } from "./NodesInput";
import { HTTP_SCHEMES, nodesOf, STREAM_SCHEMES, TLS_SCHEMES, type UpstreamBody } from "./shapes";
import { TimeoutInput } from "./TimeoutInput";
import { UpstreamTls } from "./UpstreamTls";

interface Props {
  value: UpstreamBody;
  stream?: boolean;
  /** It belongs to a route alone, and cannot name what belongs to the gateway group. */
  routes?: boolean;
  error: Error | null;
  /** Where it stands in what is sent. */
  pointer?: string;
  onChange: (value: UpstreamBody) => void;
}

const BALANCES = Object.entries(t.service.balances).map(([value, label]) => ({ value, label }));
const HASH_ONS = Object.entries(t.upstream.hashOns).map(([value, label]) => ({ value, label }));
const FURTHER = ["retries", "timeout", "keepalive_pool", "checks"];
const PASS_HOSTS = Object.entries(t.service.passHosts).map(([value, label]) => ({ value, label }));

export function UpstreamFields({ value, stream = false, routes = false, error, pointer = "/upstream", onChange }: Props) {
  const change = (part: UpstreamBody) => onChange({ ...value, ...part });
  return (
    <Stack>
      <Group grow>
        <Select
          label={t.service.scheme}
          data={stream ? STREAM_SCHEMES : HTTP_SCHEMES}
          value={value.scheme ?? (stream ? "tcp" : "http")}
          onChange={(scheme) => scheme && change({ scheme })}
          allowDeselect={false}
        />
        <Select
          label={t.service.balance}
          data={BALANCES}
          value={value.type ?? "roundrobin"}
          onChange={(type) => type && change({ type })}
          allowDeselect={false}
        />
      </Group>
      <Where value={value} error={error} pointer={pointer} onChange={onChange} />
      {!stream && (
        <Group grow align="flex-start">
          <Select
            label={t.service.passHost}
            data={PASS_HOSTS}
            value={value.pass_host ?? "pass"}
            onChange={(passed) => passed && change({ pass_host: passed })}
            allowDeselect={false}
          />
          {value.pass_host === "rewrite" && (
            <TextInput
              label={t.service.upstreamHost}
              value={value.upstream_host ?? ""}
              onChange={(event) => change({ upstream_host: event.currentTarget.value.trim() })}
              error={fieldError(error, `${pointer}/upstream_host`)}
              required
            />
          )}
        </Group>
      )}
      {TLS_SCHEMES.includes(value.scheme ?? "") && (
        <UpstreamTls value={value} naming={!routes} error={error} pointer={pointer} onChange={onChange} />
      )}
      <More value={value} stream={stream} error={error} pointer={pointer} onChange={onChange} />
    </Stack>
  );
}

/** What few upstreams need: hashing, retries, timeouts, connections that are kept, health checks. */
function More({ value, stream, error, pointer = "/upstream", onChange }: Props) {
  const [shown, setShown] = useState(() => FURTHER.some((key) => key in value));
  const set = (key: string, part: unknown) => onChange(changed(value, key, part));
  return (
    <>
      {value.type === "chash" && <Hashing value={value} error={error} pointer={pointer} onChange={onChange} />}
      <Button variant="default" size="xs" w="fit-content" aria-expanded={shown} onClick={() => setShown(!shown)}>
        {shown ? t.upstream.less : t.upstream.more}
      </Button>
      <Collapse expanded={shown}>
        <Stack>
          <Group grow align="flex-start">
            <NumberInput
              label={t.upstream.retries}
              description={t.upstream.retriesHint}
              value={value.retries ?? ""}
              onChange={(retries) => set("retries", retries === "" ? undefined : Number(retries))}
              error={fieldError(error, `${pointer}/retries`)}
              min={0}
              allowDecimal={false}
              hideControls
            />
          </Group>
          <TimeoutInput
            hint={t.form.unsaid("60")}
            value={value.timeout}
            error={error}
            pointer={`${pointer}/timeout`}
            onChange={(timeout) => set("timeout", timeout)}
          />
          {!stream && (
            <KeepaliveInput
              value={value.keepalive_pool}
              error={error}
              pointer={`${pointer}/keepalive_pool`}
              onChange={(pool) => set("keepalive_pool", pool)}
            />
          )}
          <ChecksInput
            value={value.checks}
            error={error}
            pointer={`${pointer}/checks`}
            onChange={(checks) => onChange(checks ? { ...value, checks } : without(value, "checks"))}
          />
        </Stack>
      </Collapse>
    </>
  );
}

function Hashing({ value, error, pointer = "/upstream", onChange }: Props) {
  const set = (key: string, part: unknown) => onChange(changed(value, key, part));
  return (
    <Group grow align="flex-start">
      <Select
        label={t.upstream.hashOn}
        data={HASH_ONS}
        value={value.hash_on ?? "vars"}
        onChange={(on) => set("hash_on", on ?? undefined)}
        allowDeselect={false}
      />
      <TextInput
        label={t.upstream.key}
        description={t.upstream.keyHint}
        value={value.key ?? ""}
        onChange={(event) => set("key", event.currentTarget.value.trim())}
        error={fieldError(error, `${pointer}/key`)}
      />
    </Group>
  );
}

/** Nodes that are given, or a name in a service registry. */
export function Where({ value, error, pointer = "/upstream", onChange }: Props) {
  const registry = value.service_name !== undefined;
  const choose = (way: string) => {
    const rest = without(value, "nodes", "service_name", "discovery_type", "discovery_args");
    onChange(way === "registry" ? { ...rest, service_name: "" } : { ...rest, nodes: [{ host: "", weight: 1 }] });
  };
  return (
    <Stack gap="xs">
      <SegmentedControl
        aria-label={t.service.discovery}
        data={[
          { value: "nodes", label: t.service.discoveryNodes },
          { value: "registry", label: t.service.discoveryRegistry },
        ]}
        value={registry ? "registry" : "nodes"}
        onChange={choose}
        w="fit-content"
      />
      {registry ? (
        <TextInput
          label={t.service.registryName}
          description={t.service.registryNameHint}
          value={value.service_name ?? ""}
          onChange={(event) => onChange({ ...value, service_name: event.currentTarget.value.trim() })}
          error={fieldError(error, `${pointer}/service_name`)}
          required
        />
      ) : (
        <NodesInput nodes={nodesOf(value)} error={error} pointer={`${pointer}/nodes`} onChange={(nodes) => onChange({ ...value, nodes })} />
      )}
    </Stack>
  );
}
