/** The receipts of a gateway group's changes, newest first: what is live, and who lags and why where something is not. */
import { Stack, Text } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { groupQuery, receiptQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Page } from "@/ui/Page";
import { Paged } from "@/ui/Paged";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

import { lookOf } from "./look";
import { PAGE_SIZE, receiptPageQuery, type Summary } from "./queries";

export function ReceiptsPage({ groupId, page }: { groupId: string; page: number }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const receipts = useQuery(receiptPageQuery(groupId, page));
  const columns = useMemo(() => columnsOf(groupId), [groupId]);
  const navigate = useNavigate();
  const show = (next: number | undefined) =>
    void navigate({ to: "/groups/$groupId/receipts", params: { groupId }, search: { page: next } });
  return (
    <Page
      title={t.receipt.title}
      said={t.receipt.hint}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
    >
      <Paged
        query={receipts}
        lines={8}
        empty={<Empty title={t.receipt.empty} said={t.receipt.emptyHint} />}
        words={t.receipt}
        size={PAGE_SIZE}
        page={page}
        onPage={show}
      >
        {(list) => <DataTable label={t.receipt.title} rows={list} columns={columns} rowId={(each) => String(each.revision)} />}
      </Paged>
    </Page>
  );
}

function columnsOf(groupId: string): Column<Summary>[] {
  const time = (id: "p50_ms" | "p99_ms", header: string): Column<Summary> => ({
    id,
    header,
    enableSorting: false,
    accessorFn: ({ time_to_live: took }) => (took ? t.receipt.milliseconds(took[id]) : "–"),
  });
  return [
    {
      id: "revision",
      header: t.receipt.revision,
      enableSorting: false,
      cell: ({ row: { original } }) => (
        <Go
          to="/groups/$groupId/receipts/$revision"
          params={{ groupId, revision: String(original.revision) }}
          aria-label={t.receipt.one(original.revision)}
          size="sm"
        >
          {original.revision}
        </Go>
      ),
    },
    { id: "when", header: t.receipt.when, enableSorting: false, cell: ({ row }) => <Time at={row.original.at} /> },
    {
      id: "state",
      header: t.receipt.state,
      enableSorting: false,
      cell: ({ row: { original } }) => (
        <State look={lookOf(original)}>{t.release.live(original.live, original.total)}</State>
      ),
    },
    time("p50_ms", t.receipt.p50),
    time("p99_ms", t.receipt.p99),
    {
      id: "lags",
      header: t.receipt.lags,
      enableSorting: false,
      cell: ({ row }) => <Lagging groupId={groupId} receipt={row.original} />,
    },
  ];
}

/** The first of those it is not live on; asked only where there are any. */
function Lagging({ groupId, receipt }: { groupId: string; receipt: Summary }) {
  const late = receipt.pending + receipt.rejected > 0;
  const found = useQuery({ ...receiptQuery(groupId, receipt.revision), enabled: late, refetchInterval: false });
  const left = Object.keys(receipt.problems).length;
  const lines = late ? (found.data?.instances.filter(({ state }) => state !== "live") ?? []) : [];
  const [first] = lines;
  return (
    <Stack gap={0}>
      {first && (
        <Text size="sm" className="break">
          {first.hostname}: {t.receipt.states[first.state]} {first.reason}
        </Text>
      )}
      {lines.length > 1 && (
        <Text size="xs" c="dimmed">
          {t.receipt.andMore(lines.length - 1)}
        </Text>
      )}
      {left > 0 && (
        <Text size="sm" c="var(--mantine-color-error)">
          {t.receipt.problems(left)}
        </Text>
      )}
    </Stack>
  );
}
