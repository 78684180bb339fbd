/** One receipt: how far the revision has got, and instance by instance by what proof, after how long, or why not. */
import { Stack } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";

import { groupQuery, receiptQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go, GoButton } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { Receipt } from "@/ui/Receipt";
import { Section } from "@/ui/Section";
import { State } from "@/ui/State";

import { LOOK } from "./look";
import type { Line } from "./queries";

const ORDER: readonly Line["state"][] = ["rejected", "pending", "live"];

const COLUMNS: Column<Line>[] = [
  { id: "host", header: t.receipt.host, accessorKey: "hostname" },
  {
    id: "state",
    header: t.receipt.state,
    accessorFn: ({ state }) => ORDER.indexOf(state),
    cell: ({ row }) => <State look={LOOK[row.original.state]}>{t.receipt.states[row.original.state]}</State>,
  },
  {
    id: "took",
    header: t.receipt.took,
    accessorFn: (line) => line.time_to_live_ms ?? -1,
    cell: ({ row: { original } }) =>
      original.time_to_live_ms === null ? "–" : t.receipt.milliseconds(original.time_to_live_ms),
  },
  {
    id: "reason",
    header: t.receipt.reason,
    accessorKey: "reason",
    enableSorting: false,
    cell: ({ row }) => <span className="break">{row.original.reason}</span>,
  },
  {
    id: "proof",
    header: t.receipt.proof,
    enableSorting: false,
    cell: ({ row }) => <span className="break">{saidProof(row.original.proof)}</span>,
  },
];

export function ReceiptPage({ groupId, revision }: { groupId: string; revision: number }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const query = useQuery(receiptQuery(groupId, revision));
  return (
    <Page
      title={t.receipt.one(revision)}
      crumbs={[
        <Go key="group" to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>,
        <Go key="receipts" to="/groups/$groupId/receipts" params={{ groupId }}>
          {t.receipt.title}
        </Go>,
      ]}
      actions={
        <GoButton to="/groups/$groupId/revisions/$revision" params={{ groupId, revision: String(revision) }} variant="default">
          {t.receipt.change}
        </GoButton>
      }
    >
      <Loaded query={query}>
        {(receipt) => (
          <Stack>
            <Receipt groupId={groupId} revision={revision} />
            <Section title={t.receipt.instances}>
              {receipt.instances.length === 0 ? (
                <Empty title={t.receipt.noInstances} said={t.receipt.noInstancesHint} />
              ) : (
                <DataTable
                  label={t.receipt.instances}
                  rows={receipt.instances}
                  columns={COLUMNS}
                  rowId={(line) => line.id}
                  text={(line) => `${line.hostname} ${line.id} ${line.reason} ${t.receipt.states[line.state]}`}
                  sort={{ id: "state", desc: false }}
                  maxHeight="55vh"
                />
              )}
            </Section>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

/** `{probed: 1, acknowledged: {Cluster: 2}}` as "probed 1, acknowledged Cluster 2". */
function saidProof(proof: Record<string, unknown>): string {
  return Object.entries(proof)
    .map(([name, value]) => `${name} ${typeof value === "object" && value !== null ? saidProof({ ...value }) : String(value)}`)
    .join(", ");
}
