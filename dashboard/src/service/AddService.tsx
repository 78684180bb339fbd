/** Adds a service to a gateway group by hand: what it is, where it is, and its first route. */
import { Button, Drawer, Fieldset, Group, MultiSelect, SegmentedControl, Stack, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { type Json, postResource } from "@/api/resources";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { tellLive } from "@/ui/told";
import { Unsaved } from "@/ui/Unsaved";

import { PathsInput } from "./PathsInput";
import { METHODS, type UpstreamBody } from "./shapes";
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
  if (draft.stream || draft.paths.length === 0) return { service, route: null };
  const methods = draft.methods.length > 0 ? { methods: draft.methods } : {};
  return { service, route: { name: draft.routeName.trim() || draft.paths[0], paths: draft.paths, ...methods } };
}

interface Props {
  groupId: string;
  opened: boolean;
  onClose: () => void;
}

export function AddService({ groupId, opened, onClose }: Props) {
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      title={t.service.add}
      closeButtonProps={{ "aria-label": t.common.close }}
      closeOnClickOutside={false}
    >
      <Fields groupId={groupId} onClose={onClose} />
    </Drawer>
  );
}

function Fields({ groupId, onClose }: Omit<Props, "opened">) {
  const [draft, setDraft] = useState(EMPTY);
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const queries = useQueryClient();
  const navigate = useNavigate();
  const save = useMutation({
    mutationFn: async () => {
      const { service, route } = bodies(draft);
      const made = await postResource({ groupId, path: "services" }, service);
      const serviceId = String(made.value["id"]);
      if (!route) return { serviceId, revision: made.revision };
      const below = await postResource({ groupId, path: "routes" }, { ...route, service_id: serviceId });
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
      <Unsaved changed={draft !== EMPTY && !save.isSuccess} />
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
        <UpstreamFields
          value={draft.upstream}
          stream={draft.stream}
          error={save.error}
          onChange={(upstream) => change({ upstream })}
        />
        {!draft.stream && <FirstRoute draft={draft} change={change} error={save.error} />}
        {save.error && <ErrorNote error={save.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
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
        <TextInput
          label={t.service.routeName}
          value={draft.routeName}
          onChange={(event) => change({ routeName: event.currentTarget.value })}
        />
        <PathsInput value={draft.paths} onChange={(paths) => change({ paths })} error={fieldError(error, "/paths/0")} />
        <MultiSelect
          label={t.service.methods}
          description={t.service.methodsHint}
          data={METHODS}
          value={draft.methods}
          onChange={(methods) => change({ methods })}
          clearable
        />
      </Stack>
    </Fieldset>
  );
}
