/** Live news of a revision: how many instances serve it, after how long, who lags and why. */
import { Group, List, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { type Receipt as Told, receiptQuery } from "@/api/queries";
import { t } from "@/texts";

import { Loaded } from "./Loaded";
import { State } from "./State";

interface Props {
  groupId: string;
  revision: number;
  /** How the group is called, where several stand beside each other. */
  title?: string;
}

export function Receipt({ groupId, revision, title }: Props) {
  const query = useQuery(receiptQuery(groupId, revision));
  return (
    <Loaded query={query} lines={2}>
      {(receipt) => <Shown receipt={receipt} title={title} />}
    </Loaded>
  );
}

function Shown({ receipt, title }: { receipt: Told; title: string | undefined }) {
  const { total, live, rejected, converged, expected, instances } = receipt;
  const lagging = instances.filter((each) => each.state !== "live");
  const took = receipt.time_to_live;
  return (
    <Stack gap={6}>
      <Group justify="space-between">
        <Text size="sm" fw={600}>
          {title ?? t.release.receipt(receipt.revision)}
        </Text>
        <Verdict receipt={receipt} />
      </Group>
      <Progress.Root size="lg">
        <Progress.Section value={total ? (100 * live) / total : 0} color="green" aria-label={t.release.live(live, total)} />
        <Progress.Section value={total ? (100 * rejected) / total : 0} color="red" aria-label={t.fleet.rejected(rejected)} />
      </Progress.Root>
      <Text size="sm" role="status">
        {total === 0 ? t.release.noInstances : t.release.live(live, total)}
        {took && ` · ${t.release.took(took.p50_ms, took.p99_ms)}`}
        {!converged && expected && ` · ${t.release.expected(expected.p99_ms)}`}
      </Text>
      {lagging.length > 0 && (
        <List size="sm">
          {lagging.slice(0, 20).map((each) => (
            <List.Item key={each.id} className="break">
              {each.hostname}: {each.state === "rejected" ? t.release.rejects : t.release.waits} {each.reason}
            </List.Item>
          ))}
        </List>
      )}
      {Object.entries(receipt.problems).map(([document, problem]) => (
        <Text key={document} size="sm" c="var(--mantine-color-error)" className="break">
          {document}: {problem}
        </Text>
      ))}
    </Stack>
  );
}

function Verdict({ receipt }: { receipt: Told }) {
  if (receipt.rejected > 0) return <State look="bad">{t.fleet.rejected(receipt.rejected)}</State>;
  if (receipt.total === 0) return <State look="plain">{t.fleet.noInstances}</State>;
  if (receipt.converged) return <State look="good">{t.fleet.converged}</State>;
  return <State look="waiting">{t.fleet.notConverged(receipt.live, receipt.total)}</State>;
}
