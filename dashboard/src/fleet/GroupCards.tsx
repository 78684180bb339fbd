/** Gateway groups as cards; those that need attention come first. */
import { Card, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";

import { TrafficNow } from "@/monitoring/TrafficNow";
import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";

import { Convergence } from "./Convergence";
import { InstanceStates } from "./InstanceStates";
import { needsAttention, type Standing } from "./standing";
import { Versions } from "./Versions";

export function GroupCards({ standings }: { standings: Standing[] }) {
  const ordered = [...standings.filter(needsAttention), ...standings.filter((each) => !needsAttention(each))];
  return (
    <SimpleGrid type="container" cols={{ base: 1, "640px": 2, "1100px": 3 }}>
      {ordered.map((standing) => (
        <GroupCard key={standing.group.id} standing={standing} />
      ))}
    </SimpleGrid>
  );
}

function GroupCard({ standing }: { standing: Standing }) {
  const { group } = standing;
  return (
    <Card withBorder component="section" aria-label={group.name}>
      <Stack gap="xs">
        <Group justify="space-between" align="flex-start">
          <Title order={2} size="h4">
            <Go to="/groups/$groupId" params={{ groupId: group.id }} inherit>
              {group.name}
            </Go>
          </Title>
          <Convergence standing={standing} />
        </Group>
        {group.description && (
          <Text size="sm" c="dimmed" lineClamp={2}>
            {group.description}
          </Text>
        )}
        <Labels labels={group.labels} />
        <TrafficNow groupId={group.id} />
        <Text size="xs" fw={600} c="dimmed">
          {t.fleet.instances}
        </Text>
        <InstanceStates standing={standing} />
        <Text size="xs" fw={600} c="dimmed">
          {t.fleet.services}
        </Text>
        <Versions standing={standing} />
      </Stack>
    </Card>
  );
}
