/** What is a gateway group's own of a service: hosts, path prefix, where it is. No release touches it. */
import { Button, Group, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/client";
import type { PublishedService } from "@/api/shapes";
import { patchRuntime, type PatchStep } from "@/release/calls";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { tellLive } from "@/ui/told";
import { Unsaved } from "@/ui/Unsaved";

import { runtimeQuery } from "./queries";
import type { UpstreamBody } from "./shapes";
import { UpstreamFields } from "./UpstreamFields";

interface Runtime {
  hosts?: string[];
  path_prefix?: string;
  upstream?: UpstreamBody;
}

export function RuntimeTab({ groupId, service }: { groupId: string; service: PublishedService }) {
  const query = useQuery({
    ...runtimeQuery(groupId, service.id),
    refetchOnWindowFocus: false,
  });
  return (
    <Loaded query={query}>
      {({ runtime, etag }) => (
        <Fields
          key={query.dataUpdatedAt}
          groupId={groupId}
          service={service}
          runtime={runtime}
          etag={etag}
          onFresh={() => void query.refetch()}
        />
      )}
    </Loaded>
  );
}

interface Props {
  groupId: string;
  service: PublishedService;
  runtime: Runtime;
  etag: string | null;
  /** Reads again what it is now. */
  onFresh: () => void;
}

function Fields({ groupId, service, runtime, etag, onFresh }: Props) {
  const [wanted, setWanted] = useState(runtime);
  const permissions = usePermissions({ groupId, serviceId: service.id });
  const queries = useQueryClient();
  const stream = service.type === "stream";
  const save = useMutation({
    mutationFn: () => patchRuntime({ groupId, serviceId: service.id }, patchOf(runtime, wanted), etag),
    onSuccess: async ({ revision }) => {
      tellLive(t.service.runtimeSaved, groupId, revision);
      await queries.invalidateQueries({ queryKey: ["group", groupId] });
    },
  });
  const changed = JSON.stringify(wanted) !== JSON.stringify(runtime);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} aria-label={t.service.runtimeTitle}>
      <Unsaved changed={changed && !save.isSuccess} />
      <Stack maw={760}>
        <Text c="dimmed">{t.service.runtimeHint}</Text>
        {!stream && (
          <>
            <TagsInput
              label={t.service.hosts}
              description={t.service.hostsHint}
              value={wanted.hosts ?? []}
              onChange={(hosts) => setWanted({ ...wanted, hosts })}
              error={fieldError(save.error, "/hosts/0")}
              splitChars={[",", " "]}
              acceptValueOnBlur
            />
            <TextInput
              label={t.service.prefix}
              description={t.service.prefixHint}
              value={wanted.path_prefix ?? ""}
              onChange={(event) => setWanted({ ...wanted, path_prefix: event.currentTarget.value.trim() })}
              error={fieldError(save.error, "/path_prefix")}
            />
          </>
        )}
        <UpstreamFields
          value={wanted.upstream ?? {}}
          stream={stream}
          error={save.error}
          onChange={(upstream) => setWanted({ ...wanted, upstream })}
        />
        {save.error && <ErrorNote error={save.error} />}
        {save.error instanceof ApiError && save.error.status === 412 && (
          <Button variant="default" w="fit-content" onClick={onFresh}>
            {t.common.loadFresh}
          </Button>
        )}
        <Group justify="flex-end">
          <Button variant="default" disabled={!changed} onClick={() => setWanted(runtime)}>
            {t.common.cancel}
          </Button>
          <MayButton
            type="submit"
            allowed={permissions["UpdateServiceRuntime"]}
            disabled={!changed}
            loading={save.isPending}
          >
            {t.common.save}
          </MayButton>
        </Group>
      </Stack>
    </form>
  );
}

/** A JSON Patch of the fields that differ; one that was emptied is taken away. */
function patchOf(before: Runtime, after: Runtime): PatchStep[] {
  return (["hosts", "path_prefix", "upstream"] as const).flatMap((key): PatchStep[] => {
    const value = after[key];
    if (JSON.stringify(before[key]) === JSON.stringify(value)) return [];
    const empty = value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
    if (!empty) return [{ op: "add", path: `/${key}`, value }];
    return before[key] === undefined ? [] : [{ op: "remove", path: `/${key}` }];
  });
}
