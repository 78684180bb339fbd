/** How many instances are in which state. */
import { Group, Text } from "@mantine/core";

import { t } from "@/texts";
import { State } from "@/ui/State";

import { LOOK, type Standing } from "./standing";

export function InstanceStates({ standing }: { standing: Standing }) {
  if (standing.instances.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.common.none}
      </Text>
    );
  }
  return (
    <Group gap={4}>
      {standing.states.map(([state, count]) => (
        <State key={state} look={LOOK[state]}>{`${count} ${t.fleet.states[state]}`}</State>
      ))}
    </Group>
  );
}
