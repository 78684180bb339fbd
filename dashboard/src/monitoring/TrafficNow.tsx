/** How a gateway group is doing now: requests, errors and the slowest of a hundred. */
import { Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { State } from "@/ui/State";

import { milliseconds, percent, rate } from "./figures";
import { nowQuery } from "./queries";

/** From which part of failing requests on somebody should look. */
const MANY_ERRORS = 0.01;

export function TrafficNow({ groupId }: { groupId: string }) {
  const now = useQuery({ ...nowQuery, retry: false }).data?.find((each) => each.gateway_group_id === groupId);
  if (!now) return null;
  if (now.requests === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.monitoring.quiet}
      </Text>
    );
  }
  return (
    <Group gap="xs" title={t.monitoring.now(now.window_seconds / 60)}>
      <Go to="/groups/$groupId/monitoring" params={{ groupId }} size="sm">
        {t.monitoring.nowRate(rate(now.requests_per_second))}
      </Go>
      <State look={now.error_ratio >= MANY_ERRORS ? "bad" : now.error_ratio > 0 ? "warning" : "good"}>
        {t.monitoring.nowErrors(percent(now.error_ratio))}
      </State>
      <Text size="sm">{t.monitoring.nowP99(milliseconds(now.latency_p99_ms))}</Text>
    </Group>
  );
}
