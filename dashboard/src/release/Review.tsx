/** What a release would change, group by group, with what speaks against it. */
import { Alert, List, Paper, Stack, Text } from "@mantine/core";
import { type UseQueryResult, useQuery } from "@tanstack/react-query";

import { groupsQuery } from "@/api/queries";
import type { ConflictSide, Plan } from "@/api/shapes";
import { FutureMembers } from "@/ring/Members";
import { t } from "@/texts";
import { Changes } from "@/ui/Changes";
import { Loaded } from "@/ui/Loaded";

export function Review({ query }: { query: UseQueryResult<Plan> }) {
  return <Loaded query={query}>{(plan) => <Planned plan={plan} />}</Loaded>;
}

/** A plan that is there already. */
export function Planned({ plan }: { plan: Plan }) {
  const names = new Map((useQuery(groupsQuery).data ?? []).map((group) => [group.id, group.name]));
  const { leaving, expected_time_to_live: expected } = plan;
  return (
    <Stack>
      {plan.approval_rule && (
        <Alert variant="outline" color="blue">
          {t.release.needsApproval(plan.approval_rule)}
        </Alert>
      )}
      {leaving && (
        <Alert variant="outline" color="blue" title={t.release.leaving(leaving.version)}>
          {[leaving.rollback_note, leaving.owner && `${t.release.owner}: ${leaving.owner}`].filter(Boolean).join(" · ")}
        </Alert>
      )}
      {plan.versions.map((each) => (
        <Text key={each.service_id} size="sm">
          {t.release.whichVersion(each.version)}
        </Text>
      ))}
      {expected && <Text size="sm">{t.release.usually(expected.p50_ms)}</Text>}
      {plan.members && <FutureMembers groupId={plan.groups[0]?.gateway_group_id ?? ""} members={plan.members} />}
      {plan.groups.map((group) => (
        <Paper key={group.gateway_group_id} withBorder p="md">
          <Stack gap="xs">
            <Text fw={600}>{names.get(group.gateway_group_id) ?? group.gateway_group_id}</Text>
            <Conflicts
              title={refusesDuplicates(plan) ? t.release.duplicate : t.release.duplicateAllowed}
              color="red"
              pairs={group.conflicts.duplicate}
            />
            <Conflicts title={t.release.overlapping} color="orange" pairs={group.conflicts.overlapping} />
            <Changes changes={group.changes} text={group.text} />
          </Stack>
        </Paper>
      ))}
    </Stack>
  );
}

/** Whether it is refused when two routes would answer the same requests: going back and edits never are. */
export function refusesDuplicates({ operation }: Plan): boolean {
  return operation === "publish" || operation === "sync" || operation === "ring";
}

interface ConflictsProps {
  title: string;
  color: string;
  pairs: [ConflictSide, ConflictSide][];
}

function Conflicts({ title, color, pairs }: ConflictsProps) {
  if (pairs.length === 0) return null;
  return (
    <Alert variant="outline" color={color} title={title}>
      <List size="sm">
        {pairs.slice(0, 20).map(([one, other], index) => (
          <List.Item key={index} className="break">
            {t.release.conflict(sideOf(one), sideOf(other), one.url)}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

function sideOf(side: ConflictSide): string {
  return `${side.service_name} / ${side.route_name}`;
}
