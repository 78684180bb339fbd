/** Adds a service to a gateway group by hand: what it is, where it is, and its first route. */
import {
  Button,
  Fieldset,
  Group,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { at, type Json, postResource, putResource } from "@/api/resources";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { GuardedDrawer } from "@/ui/GuardedDrawer";
import { tellLive } from "@/ui/told";

import { PathsInput } from "./PathsInput";
import { METHODS, slashed, type UpstreamBody } from "./shapes";
import { UpstreamFields } from "./UpstreamFields";

interface Draft {
  name: string;
  stream: boolean;
  hosts: string[];
  prefix: string;
  upstream: UpstreamBody;
  routeName: string;
  paths: string[];
  methods: string[];
  port: number | undefined;
}

const EMPTY: Draft = {
  name: "",
  stream: false,
  hosts: [],
  prefix: "",
  upstream: { scheme: "http", nodes: [{ host: "", weight: 1 }] },
  routeName: "",
  paths: [],
  methods: [],
  port: undefined,
};

/** The service, and its first route if one is given. */
function bodies(draft: Draft): { service: Json; route: Json | null } {
  const service: Json = {
    name: draft.name.trim(),
    type: draft.stream ? "stream" : "http",
    upstream: draft.upstream,
    ...(draft.hosts.length > 0 && !draft.stream ? { hosts: draft.hosts } : {}),
    ...(draft.prefix && !draft.stream ? { path_prefix: draft.prefix } : {}),
  };
  return { service, route: draft.stream ? streamRoute(draft) : httpRoute(draft) };
}

function httpRoute({ paths, methods, routeName }: Draft): Json | null {
  if (paths.length === 0) return null;
  return { name: routeName.trim() || paths[0], paths, ...(methods.length > 0 ? { methods } : {}) };
}

function streamRoute({ port, routeName }: Draft): Json | null {
  return port === undefined ? null : { name: routeName.trim() || String(port), server_port: port };
}

interface Props {
  groupId: string;
  opened: boolean;
  onClose: () => void;
}

export function AddService({ groupId, opened, onClose }: Props) {
  const [changed, setChanged] = useState(false);
  const close = () => {
    setChanged(false);
    onClose();
  };
  return (
    <GuardedDrawer opened={opened} title={t.service.add} changed={changed} onClose={close}>
      {(ask) => <Fields groupId={groupId} onChanged={setChanged} onCancel={ask} />}
    </GuardedDrawer>
  );
}

interface FieldsProps {
  groupId: string;
  onChanged: (changed: boolean) => void;
  onCancel: () => void;
}

function Fields({ groupId, onChanged, onCancel }: FieldsProps) {
  const [draft, setDraft] = useState(EMPTY);
  /** The service's id, once it is there: a route that is refused leaves it so, and the next attempt changes it. */
  const [made, setMade] = useState<string>();
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part });
    onChanged(true);
  };
  const queries = useQueryClient();
  const navigate = useNavigate();
  const save = useMutation({
    mutationFn: async () => {
      const { service, route } = bodies(draft);
      const there = made
        ? await putResource({ groupId, path: at("services", made) }, service)
        : await postResource({ groupId, path: "services" }, service);
      const serviceId = String(there.value["id"]);
      setMade(serviceId);
      if (!route) return { serviceId, revision: there.revision };
      const path = draft.stream ? "stream_routes" : "routes";
      const below = await postResource({ groupId, path }, { ...route, service_id: serviceId });
      return { serviceId, revision: below.revision };
    },
    onSuccess: async ({ serviceId, revision }) => {
      tellLive(t.service.added, groupId, revision);
      await queries.invalidateQueries({ queryKey: ["group", groupId] });
      await queries.invalidateQueries({ queryKey: ["matrix"] });
      // what was typed is saved: nobody has to be asked
      await navigate({
        to: "/groups/$groupId/services/$serviceId",
        params: { groupId, serviceId },
        ignoreBlocker: true,
      });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={t.service.name}
          description={t.service.nameHint}
          value={draft.name}
          onChange={(event) => change({ name: event.currentTarget.value })}
          error={fieldError(save.error, "/name")}
          required
          data-autofocus
        />
        <SegmentedControl
          aria-label={t.service.type}
          data={[
            { value: "http", label: t.service.types.http },
            { value: "stream", label: t.service.types.stream },
          ]}
          value={draft.stream ? "stream" : "http"}
          onChange={(type) => {
            const stream = type === "stream";
            change({ stream, upstream: { ...draft.upstream, scheme: stream ? "tcp" : "http" } });
          }}
          w="fit-content"
        />
        {!draft.stream && (
          <TagsInput
            label={t.service.hosts}
            description={t.service.hostsHint}
            value={draft.hosts}
            onChange={(hosts) => change({ hosts })}
            error={fieldError(save.error, "/hosts/0")}
            splitChars={[",", " "]}
            acceptValueOnBlur
          />
        )}
        {!draft.stream && (
          <TextInput
            label={t.service.prefix}
            description={t.service.prefixHint}
            value={draft.prefix}
            onChange={(event) => change({ prefix: slashed([event.currentTarget.value])[0] ?? "" })}
            error={fieldError(save.error, "/path_prefix")}
          />
        )}
        <UpstreamFields
          value={draft.upstream}
          stream={draft.stream}
          error={save.error}
          onChange={(upstream) => change({ upstream })}
        />
        <FirstRoute draft={draft} change={change} error={save.error} />
        {save.error && <ErrorNote error={save.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>
            {t.common.cancel}
          </Button>
          <Button type="submit" loading={save.isPending}>
            {t.service.add}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface FirstRouteProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  error: Error | null;
}

function FirstRoute({ draft, change, error }: FirstRouteProps) {
  return (
    <Fieldset legend={t.service.firstRoute}>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {t.service.firstRouteHint}
        </Text>
        <TextInput
          label={t.service.routeName}
          value={draft.routeName}
          onChange={(event) => change({ routeName: event.currentTarget.value })}
        />
        {draft.stream ? (
          <NumberInput
            label={t.service.firstPort}
            value={draft.port ?? ""}
            onChange={(port) => change({ port: port === "" ? undefined : Number(port) })}
            error={fieldError(error, "/server_port")}
            min={1}
            max={65535}
            allowDecimal={false}
          />
        ) : (
          <>
            <PathsInput value={draft.paths} onChange={(paths) => change({ paths })} error={fieldError(error, "/paths/0")} />
            <MultiSelect
              label={t.service.methods}
              description={t.service.methodsHint}
              data={METHODS}
              value={draft.methods}
              onChange={(methods) => change({ methods })}
              clearable
            />
          </>
        )}
      </Stack>
    </Fieldset>
  );
}
