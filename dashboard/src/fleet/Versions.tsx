/** The services a group runs, each with its version. */
import { Badge, Group, Text } from "@mantine/core";

import { t } from "@/texts";
import { Go } from "@/ui/Go";

import type { Standing } from "./standing";

export function Versions({ standing, most = 4 }: { standing: Standing; most?: number }) {
  if (standing.services.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.fleet.noServices}
      </Text>
    );
  }
  return (
    <Group gap={6}>
      {standing.services.slice(0, most).map((service) => (
        <Badge key={service.id} variant="default" tt="none" fw={500} radius="sm" td={service.off ? "line-through" : undefined}>
          {service.name} {service.version ?? t.fleet.noVersion}
        </Badge>
      ))}
      {standing.services.length > most && (
        <Go to="/groups/$groupId/services" params={{ groupId: standing.group.id }} size="sm">
          {t.fleet.more(standing.services.length - most)}
        </Go>
      )}
    </Group>
  );
}
