/** The newest revisions of a group with their receipts. */
import { Table, Text } from "@mantine/core";

import type { Receipt } from "@/api/queries";
import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

type Summary = Omit<Receipt, "instances" | "expected">;

export function RecentChanges({ groupId, receipts }: { groupId: string; receipts: Summary[] }) {
  if (receipts.length === 0) return <Text c="dimmed">{t.group.noChanges}</Text>;
  return (
    <Table.ScrollContainer minWidth={480} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
      <Table aria-label={t.group.recent}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t.group.revision}</Table.Th>
            <Table.Th>{t.group.when}</Table.Th>
            <Table.Th>{t.group.state}</Table.Th>
            <Table.Th>{t.group.tookLong}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {receipts.map((receipt) => (
            <Table.Tr key={receipt.revision}>
              <Table.Td>
                <Go
                  to="/groups/$groupId/receipts/$revision"
                  params={{ groupId, revision: String(receipt.revision) }}
                  aria-label={t.receipt.one(receipt.revision)}
                  size="sm"
                >
                  {receipt.revision}
                </Go>
              </Table.Td>
              <Table.Td>
                <Time at={receipt.at} />
              </Table.Td>
              <Table.Td>
                <State look={receipt.rejected > 0 ? "bad" : receipt.converged ? "good" : "waiting"}>
                  {t.release.live(receipt.live, receipt.total)}
                </State>
              </Table.Td>
              <Table.Td>{receipt.time_to_live && `${Math.round(receipt.time_to_live.p99_ms)} ms`}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
