/** The nodes of an upstream with their health: who finds one unwell, why, and since when. */
import { Code, Stack, Table, Text } from "@mantine/core";

import { t } from "@/texts";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import type { NodeHealth, NodeStatus, Seen } from "./queries";

const LOOKS = { healthy: "good", degraded: "warning", unhealthy: "bad", unknown: "plain" } as const;

export function Health({ status }: { status: NodeStatus }) {
  return <State look={LOOKS[status]}>{t.upstream.states[status]}</State>;
}

export function Address({ node }: { node: NodeHealth }) {
  return (
    <Code className="break">
      {node.host}
      {node.port ? `:${node.port}` : ""}
    </Code>
  );
}

/** Who says so, instance by instance. */
export function Why({ seen, reporting }: { seen: Seen[]; reporting?: number }) {
  if (seen.length === 0) return "–";
  return (
    <Stack gap={2}>
      {reporting !== undefined && <Text size="xs">{t.upstream.seenBy(seen.length, reporting)}</Text>}
      {seen.slice(0, 5).map((one) => (
        <Text key={one.instance_id} size="xs" c="dimmed" className="break">
          {one.hostname}: {one.reason}, <Time at={one.since} />
        </Text>
      ))}
      {seen.length > 5 && (
        <Text size="xs" c="dimmed">
          {t.upstream.andMore(seen.length - 5)}
        </Text>
      )}
    </Stack>
  );
}

export function NodesTable({ label, nodes, reporting }: { label: string; nodes: NodeHealth[]; reporting: number }) {
  if (nodes.length === 0) return <Text c="dimmed">{t.upstream.noNodes}</Text>;
  return (
    <Table.ScrollContainer minWidth={560} type="native" tabIndex={0}>
      <Table aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t.upstream.node}</Table.Th>
            <Table.Th>{t.service.nodeWeight}</Table.Th>
            <Table.Th>{t.service.health}</Table.Th>
            <Table.Th>{t.upstream.why}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {nodes.map((node, index) => (
            <Table.Tr key={index}>
              <Table.Td>
                <Address node={node} />
              </Table.Td>
              <Table.Td>{node.weight ?? "–"}</Table.Td>
              <Table.Td>
                <Health status={node.status} />
              </Table.Td>
              <Table.Td>
                <Why seen={node.instances} reporting={reporting} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
