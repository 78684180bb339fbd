/** Changes what is said of a gateway group. */
import { Alert, Button, Group, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, type Tagged, tagged } from "@/api/client";
import { groupQuery } from "@/api/queries";
import type { Group as GatewayGroup } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { MayButton } from "@/ui/MayButton";
import { Section } from "@/ui/Section";
import { tell } from "@/ui/told";
import { Unsaved } from "@/ui/Unsaved";

import { bodyOf, type GroupBody, GroupFields } from "../GroupFields";
import { inGroup } from "./queries";

export function General({ group }: { group: Tagged<GatewayGroup> }) {
  const [read, setRead] = useState(group);
  const [body, setBody] = useState(() => saidOf(group));
  const allowed = usePermissions({ groupId: group.id })["UpdateGatewayGroup"];
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => {
      const headers = read.etag ? { "If-Match": read.etag } : {};
      const options = { params: inGroup(group.id), body: { ...bodyOf(body), type: group.type }, headers };
      return tagged<GatewayGroup>(api.PUT("/api/gateway_groups/{gateway_group_id}", options));
    },
    onSuccess: async (saved) => {
      tell(t.settings.saved);
      setRead(saved);
      setBody(saidOf(saved));
      queries.setQueryData(groupQuery(group.id).queryKey, saved);
      await queries.invalidateQueries({ queryKey: ["groups"] });
      await queries.invalidateQueries({ queryKey: ["group", group.id] });
    },
    // if somebody else has saved, what that was is shown
    onError: () => queries.invalidateQueries({ queryKey: groupQuery(group.id).queryKey, exact: true }),
  });
  const changed = JSON.stringify(body) !== JSON.stringify(saidOf(read));
  const meanwhile = group.etag !== read.etag;
  const load = () => {
    save.reset();
    setRead(group);
    setBody(saidOf(group));
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <Section title={t.settings.general}>
      <form onSubmit={submit} aria-label={t.settings.general}>
        <Unsaved changed={changed} />
        <Stack maw={640}>
          <GroupFields body={body} error={save.error} onChange={setBody} />
          {meanwhile && <Meanwhile onLoad={load} />}
          {save.error && !meanwhile && <ErrorNote error={save.error} />}
          <Group justify="flex-end">
            <Button variant="default" disabled={!changed} onClick={() => setBody(saidOf(read))}>
              {t.common.cancel}
            </Button>
            <MayButton type="submit" allowed={allowed} loading={save.isPending} disabled={!changed || meanwhile}>
              {t.common.save}
            </MayButton>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

/** Somebody else has saved, and what stands here would write over it: the API refuses that, too. */
function Meanwhile({ onLoad }: { onLoad: () => void }) {
  return (
    <Alert variant="outline" color="red" title={t.common.changedMeanwhile}>
      <Stack gap="xs" align="flex-start">
        {t.common.changedMeanwhileHint}
        <Button size="xs" variant="default" onClick={onLoad}>
          {t.common.loadFresh}
        </Button>
      </Stack>
    </Alert>
  );
}

function saidOf({ name, description, labels, enforce_service_publishing, config }: GatewayGroup): GroupBody {
  return { name, description, labels, enforce_service_publishing, image_tag: config.image_tag ?? "" };
}
