/** A gateway group at a glance: how it stands, its instances, its newest changes and whether they are live. */
import { Badge, Group, Stack, Title } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";

import { groupQuery, instancesQuery, matrixQuery, receiptsQuery } from "@/api/queries";
import { Convergence } from "@/fleet/Convergence";
import { standings } from "@/fleet/standing";
import { Versions } from "@/fleet/Versions";
import { TrafficNow } from "@/monitoring/TrafficNow";
import { RingNote } from "@/ring/RingNote";
import { t } from "@/texts";
import { Empty } from "@/ui/Empty";
import { Go, GoButton } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { Unwell } from "@/upstream/Unwell";

import { InstancesTable } from "./InstancesTable";
import { RecentChanges } from "./RecentChanges";

export function GroupPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const instances = useQuery(instancesQuery(groupId));
  const receipts = useQuery(receiptsQuery(groupId));
  const matrix = useQuery(matrixQuery);
  const [standing] = standings([group], instances.data ?? [], matrix.data);
  return (
    <Page
      title={group.name}
      said={group.description}
      mark={standing && instances.data && <Convergence standing={standing} />}
      crumbs={<Go to="/">{t.fleet.title}</Go>}
      actions={
        <GoButton to="/groups/$groupId/settings" params={{ groupId }} variant="default">
          {t.settings.title}
        </GoButton>
      }
    >
      <RingNote groupId={groupId} />
      <Group gap="xs">
        <TrafficNow groupId={groupId} />
        <Labels labels={group.labels} />
        {group.enforce_service_publishing && <Badge variant="default">{t.group.publishingOnly}</Badge>}
      </Group>
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          {t.group.services}
        </Title>
        {standing && <Versions standing={standing} most={12} />}
      </Stack>
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          {t.group.instances}
        </Title>
        <Loaded query={instances}>
          {(list) =>
            list.length === 0 ? (
              <Empty title={t.group.noInstances} said={t.group.noInstancesHint} />
            ) : (
              <InstancesTable instances={list} />
            )
          }
        </Loaded>
      </Stack>
      <Unwell groupId={groupId} />
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          {t.group.recent}
        </Title>
        <Loaded query={receipts}>{(list) => <RecentChanges groupId={groupId} receipts={list} />}</Loaded>
      </Stack>
    </Page>
  );
}
