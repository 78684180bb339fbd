/** One request: who asks for what, what it would change now, and the decision. */
import { Alert, Stack } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { groupsQuery, meQuery } from "@/api/queries";
import { Planned } from "@/release/Review";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Facts } from "@/ui/Facts";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Receipt } from "@/ui/Receipt";
import { Section } from "@/ui/Section";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { Decide } from "./Decide";
import { LOOK } from "./look";
import { useNames } from "./names";
import { type Approval, approvalQuery, type Decided, type OneApproval, planOf, revisionsOf } from "./queries";

export function ApprovalPage({ approvalId }: { approvalId: string }) {
  const query = useQuery(approvalQuery(approvalId));
  const [done, setDone] = useState<Decided>();
  const found = query.data;
  return (
    <Page
      title={found ? t.approval.one(t.approval.operations[found.operation]) : t.approval.title}
      said={found?.note}
      mark={found && <State look={LOOK[found.state]}>{t.approval.states[found.state]}</State>}
      crumbs={<Go to="/approvals">{t.approval.title}</Go>}
      actions={found?.state === "pending" && <Decisions approval={found} onDone={setDone} />}
    >
      <Loaded query={query}>
        {(approval) => (
          <Stack>
            <About approval={approval} />
            {done && <Live done={done} />}
            <Preview approval={approval} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Decisions({ approval, onDone }: { approval: Approval; onDone: (done: Decided) => void }) {
  const [how, setHow] = useState<"approve" | "reject">();
  const allowed = usePermissions()["DecideApproval"];
  const me = useQueryClient().getQueryData(meQuery.queryKey);
  const own = me?.username === approval.requested_by ? t.approval.own : undefined;
  return (
    <>
      <MayButton allowed={allowed} reason={own} color="red" variant="outline" onClick={() => setHow("reject")}>
        {t.approval.reject}
      </MayButton>
      <MayButton allowed={allowed} reason={own} onClick={() => setHow("approve")}>
        {t.approval.approve}
      </MayButton>
      <Decide approval={approval} how={how} onDone={onDone} onClose={() => setHow(undefined)} />
    </>
  );
}

function About({ approval }: { approval: OneApproval }) {
  const names = useNames();
  return (
    <Facts
      label={t.approval.one(t.approval.operations[approval.operation])}
      facts={[
        [t.approval.groups, names.groups(approval.gateway_group_ids)],
        [t.approval.services, names.services(approval.services)],
        [t.approval.by, approval.requested_by],
        [t.approval.asked, <Time key="asked" at={approval.created_at} />],
        [t.approval.expires, approval.state === "pending" && <Time key="expires" at={approval.expires_at} />],
        [t.approval.decidedBy, approval.decided_by],
        [t.approval.decided, approval.decided_at && <Time key="decided" at={approval.decided_at} />],
        [t.approval.decisionNote, approval.decision_note],
      ]}
    />
  );
}

function Preview({ approval }: { approval: OneApproval }) {
  if (approval.state !== "pending") return null;
  if (approval.problem) {
    return (
      <Alert variant="outline" color="red" title={t.approval.problem}>
        {approval.problem}
      </Alert>
    );
  }
  const plan = planOf(approval);
  return <Section title={t.approval.preview}>{plan && <Planned plan={plan} />}</Section>;
}

/** What was carried out, until it serves. */
function Live({ done }: { done: Decided }) {
  const names = new Map((useQuery(groupsQuery).data ?? []).map(({ id, name }) => [id, name]));
  const revisions = revisionsOf(done);
  if (revisions.length === 0) return null;
  return (
    <Section title={t.approval.live}>
      {revisions.map(([groupId, revision]) => (
        <Receipt key={groupId} groupId={groupId} revision={revision} title={names.get(groupId) ?? groupId} />
      ))}
      {done.ring && (
        <Go to="/groups/$groupId/rings/$ringId" params={{ groupId: done.ring.gateway_group_id, ringId: done.ring.id }}>
          {t.approval.toRing}
        </Go>
      )}
    </Section>
  );
}
