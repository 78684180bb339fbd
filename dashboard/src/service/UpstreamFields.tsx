/** Where a service is and how it is talked to: what most upstreams need; the text editor has the rest. */
import { Group, SegmentedControl, Select, Stack, TextInput } from "@mantine/core";

import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";

import { NodesInput } from "./NodesInput";
import { HTTP_SCHEMES, nodesOf, STREAM_SCHEMES, type UpstreamBody, without } from "./shapes";

interface Props {
  value: UpstreamBody;
  stream?: boolean;
  error: Error | null;
  onChange: (value: UpstreamBody) => void;
}

const BALANCES = Object.entries(t.service.balances).map(([value, label]) => ({ value, label }));
const PASS_HOSTS = Object.entries(t.service.passHosts).map(([value, label]) => ({ value, label }));

export function UpstreamFields({ value, stream = false, error, onChange }: Props) {
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
      <Where value={value} error={error} onChange={onChange} />
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
              error={fieldError(error, "/upstream/upstream_host")}
              required
            />
          )}
        </Group>
      )}
    </Stack>
  );
}

/** Nodes that are given, or a name in a service registry. */
export function Where({ value, error, onChange }: Props) {
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
          error={fieldError(error, "/upstream/service_name")}
          required
        />
      ) : (
        <NodesInput nodes={nodesOf(value)} error={error} onChange={(nodes) => onChange({ ...value, nodes })} />
      )}
    </Stack>
  );
}
