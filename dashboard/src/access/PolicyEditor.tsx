/** Edits a policy and saves it, if nobody else has changed it meanwhile. */
import { Button, Group, Stack, Tabs } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, type SubmitEvent, useState } from "react";

import { api, ApiError, shaped } from "@/api/client";
import type { Json } from "@/api/resources";
import type { Allowed } from "@/session/permissions";
import { t } from "@/texts";
import { DocumentEditor } from "@/ui/DocumentEditor";
import { ErrorNote } from "@/ui/ErrorNote";
import { MayButton } from "@/ui/MayButton";
import { tell } from "@/ui/told";
import { Unsaved } from "@/ui/Unsaved";

import { PolicyFields } from "./PolicyFields";
import { policiesQuery, type ReadPolicy, type Vocabulary } from "./queries";
import type { Policy } from "./shapes";

const words = t.access.policies;

interface Props {
  read: ReadPolicy;
  vocabulary: Vocabulary;
  allowed: Allowed | undefined;
  /** What stands beside the button that saves. */
  actions: ReactNode;
  /** Reads it anew; there is none for a new one. */
  onFresh?: () => void;
}

export function PolicyEditor({ read, vocabulary, allowed, actions, onFresh }: Props) {
  const [body, setBody] = useState(read.body);
  const [readable, setReadable] = useState(true);
  const changed = JSON.stringify(body) !== JSON.stringify(read.body);
  const save = useSave(read, body);
  const builtIn = read.policy?.built_in ?? false;
  const stale = save.error instanceof ApiError && save.error.status === 412;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (readable) save.mutate();
  };
  return (
    <form onSubmit={submit} autoComplete="off">
      <Stack>
        <Tabs defaultValue="form" keepMounted={false}>
          <Tabs.List>
            <Tabs.Tab value="form">{t.common.form}</Tabs.Tab>
            <Tabs.Tab value="editor">{t.common.editor}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="form" pt="md">
            <PolicyFields body={body} vocabulary={vocabulary} readOnly={builtIn} error={save.error} onChange={setBody} />
          </Tabs.Panel>
          <Tabs.Panel value="editor" pt="md">
            <DocumentEditor
              label={words.one}
              value={body}
              readOnly={builtIn}
              height="480px"
              onChange={setBody}
              onValid={setReadable}
            />
          </Tabs.Panel>
        </Tabs>
        {save.error && <ErrorNote error={save.error} />}
        <Group justify="flex-end">
          {stale && (
            <Button variant="default" onClick={onFresh}>
              {t.common.loadFresh}
            </Button>
          )}
          {actions}
          <MayButton
            type="submit"
            allowed={allowed}
            reason={builtIn ? words.builtInHint : undefined}
            loading={save.isPending}
            disabled={!readable || !changed}
          >
            {t.common.save}
          </MayButton>
        </Group>
      </Stack>
      <Unsaved changed={changed} />
    </form>
  );
}

function useSave({ policy, etag }: ReadPolicy, body: Json) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: async () => {
      const sent = body as unknown as Policy;
      const call = policy
        ? api.PUT("/api/permission_policies/{id}", {
            params: { path: { id: policy.id } },
            body: sent,
            headers: { "If-Match": etag },
          })
        : api.POST("/api/permission_policies", { body: sent });
      return (await shaped<{ value: Policy }>(call)).value;
    },
    onSuccess: async ({ id, name }) => {
      tell(words.saved(name));
      await queries.invalidateQueries({ queryKey: policiesQuery.queryKey });
      await navigate({ to: "/policies/$policyId", params: { policyId: id }, ignoreBlocker: true });
    },
  });
}
