/** One revision of a gateway group: who made it and why, what it changed, whether it is live, and the way back to it. */
import { Stack, Text } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";

import { groupQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Changes } from "@/ui/Changes";
import { Facts } from "@/ui/Facts";
import { Go, GoButton } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Receipt } from "@/ui/Receipt";
import { Section } from "@/ui/Section";
import { Time } from "@/ui/Time";

import { type OneRevision, revisionQuery } from "./queries";
import { RestoreModal } from "./RestoreModal";

export function RevisionPage({ groupId, revision }: { groupId: string; revision: number }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const query = useQuery(revisionQuery(groupId, revision));
  const allowed = usePermissions({ groupId })["RestoreRevision"];
  const [restoring, setRestoring] = useState(false);
  return (
    <Page
      title={t.revision.one(revision)}
      crumbs={[
        <Go key="group" to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>,
        <Go key="revisions" to="/groups/$groupId/revisions" params={{ groupId }}>
          {t.revision.title}
        </Go>,
      ]}
      actions={
        <>
          <GoButton to="/compare" search={{ group: groupId, revisions: true, from: revision }} variant="default">
            {t.revision.compare}
          </GoButton>
          <MayButton allowed={allowed} onClick={() => setRestoring(true)}>
            {t.revision.restore}
          </MayButton>
        </>
      }
    >
      <Loaded query={query}>{(found) => <Shown groupId={groupId} revision={found} />}</Loaded>
      <RestoreModal groupId={groupId} revision={restoring ? revision : undefined} onClose={() => setRestoring(false)} />
    </Page>
  );
}

function Shown({ groupId, revision }: { groupId: string; revision: OneRevision }) {
  const { changes, text } = revision;
  return (
    <Stack>
      <About revision={revision} />
      <Section title={t.revision.difference}>
        {changes && text ? <Changes changes={changes} text={text} /> : <Text c="dimmed">{t.revision.notKept}</Text>}
      </Section>
      <Section title={t.revision.receipt}>
        <Receipt groupId={groupId} revision={revision.revision} />
      </Section>
    </Stack>
  );
}

function About({ revision }: { revision: OneRevision }) {
  return (
    <Facts
      label={t.revision.one(revision.revision)}
      facts={[
        [t.revision.when, <Time key="when" at={revision.at} />],
        [t.revision.who, revision.operator],
        [t.revision.action, revision.action],
        [t.revision.note, revision.note],
        [t.revision.request, revision.request_id],
      ]}
    />
  );
}
