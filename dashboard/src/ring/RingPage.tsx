/** One ring: who serves what first, how it does beside the rest, and its end. */
import { Alert, Stack } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { groupQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Changes } from "@/ui/Changes";
import { Facts } from "@/ui/Facts";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Section } from "@/ui/Section";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { Comparison } from "./Comparison";
import { EndRing } from "./EndRing";
import { LOOK } from "./look";
import { useHostnames } from "./Members";
import { type Ending, ringQuery, saidServices, type Share, type WatchedRing } from "./queries";
import { saidRule } from "./RuleFields";

interface Props {
  groupId: string;
  ringId: string;
  serviceId: string | undefined;
}

export function RingPage({ groupId, ringId, serviceId }: Props) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const query = useQuery(ringQuery(groupId, ringId, serviceId));
  const ring = query.data;
  return (
    <Page
      title={ring ? saidServices(ring) : t.ring.title}
      said={ring?.note}
      mark={ring && <State look={LOOK[ring.state]}>{t.ring.states[ring.state]}</State>}
      crumbs={[
        <Go key="group" to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>,
        <Go key="rings" to="/groups/$groupId/rings" params={{ groupId }}>
          {t.ring.title}
        </Go>,
      ]}
      actions={ring?.state === "running" && <Ends ring={ring} />}
    >
      <Loaded query={query} lines={8}>
        {(found) => <Shown ring={found} serviceId={serviceId} />}
      </Loaded>
    </Page>
  );
}

function Ends({ ring }: { ring: WatchedRing }) {
  const [how, setHow] = useState<Ending>();
  const permissions = usePermissions({ groupId: ring.gateway_group_id, serviceId: ring.services[0]?.service_id });
  return (
    <>
      <MayButton allowed={permissions["RollbackRing"]} color="red" variant="outline" onClick={() => setHow("rollback")}>
        {t.ring.rollback}
      </MayButton>
      <MayButton allowed={permissions["PromoteRing"]} onClick={() => setHow("promote")}>
        {t.ring.promote}
      </MayButton>
      <EndRing ring={ring} how={how} onClose={() => setHow(undefined)} />
    </>
  );
}

function Shown({ ring, serviceId }: { ring: WatchedRing; serviceId: string | undefined }) {
  const navigate = useNavigate();
  const show = (service: string | undefined) =>
    void navigate({
      to: "/groups/$groupId/rings/$ringId",
      params: { groupId: ring.gateway_group_id, ringId: ring.id },
      search: { service },
    });
  const { decision } = ring.comparison;
  return (
    <Stack>
      <About ring={ring} />
      {decision && (
        <Alert variant="outline" color={decision.action === "roll_back" ? "red" : "blue"} title={t.ring.decision}>
          {decision.reason}
        </Alert>
      )}
      <Section title={t.ring.comparison}>
        <Comparison ring={ring} serviceId={serviceId} onService={show} />
      </Section>
      <Section title={t.ring.changes}>
        <Changes changes={ring.changes} text={ring.text} />
      </Section>
    </Stack>
  );
}

function About({ ring }: { ring: WatchedRing }) {
  const name = useHostnames(ring.gateway_group_id);
  return (
    <Facts
      label={t.ring.open(saidServices(ring))}
      facts={[
        [t.ring.share, <SaidShare key="share" share={ring.share} />],
        [t.ring.members, ring.members.map(name).join(", ")],
        [t.ring.rule, ring.rule ? saidRule(ring.rule) : t.ring.noRule],
        [t.ring.started, <Time key="started" at={ring.started_at} />],
        [t.ring.startedBy, ring.started_by],
        [t.ring.ended, ring.ended_at && <Time key="ended" at={ring.ended_at} />],
        [t.ring.endedBy, ring.ended_by],
        [t.ring.reason, ring.reason],
      ]}
    />
  );
}

function SaidShare({ share: { percent, count, labels } }: { share: Share }) {
  if (labels) return <Labels labels={labels} />;
  return percent === undefined ? t.ring.membersOf(count ?? 0) : `${percent} %`;
}
