/** Services by gateway groups: which version runs where, and where they have drifted apart. */
import { Group, MultiSelect, SegmentedControl, Text, VisuallyHidden } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { TriangleAlert } from "lucide-react";
import { useMemo } from "react";

import { matrixQuery } from "@/api/queries";
import type { ServicesMatrix } from "@/api/shapes";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { State } from "@/ui/State";

import { type Row, rowsOf } from "./drift";
import { type MatrixSearch, type Shows, SHOWS } from "./search";

export function MatrixPage({ search }: { search: MatrixSearch }) {
  const matrix = useQuery(matrixQuery);
  return (
    <Page title={t.matrix.title} said={`${t.matrix.hint} ${t.matrix.driftHint}`}>
      <Loaded query={matrix} lines={8}>
        {(found) =>
          found.services.length === 0 ? (
            <Empty title={t.matrix.empty} said={t.matrix.emptyHint} />
          ) : (
            <Matrix matrix={found} search={search} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Matrix({ matrix, search }: { matrix: ServicesMatrix; search: MatrixSearch }) {
  const navigate = useNavigate();
  const change = (more: MatrixSearch) => void navigate({ to: "/matrix", search: { ...search, ...more }, replace: true });
  const { groups: chosen, show = "all" } = search;
  const groups = useMemo(
    () => matrix.gateway_groups.filter(({ id }) => chosen === undefined || chosen.includes(id)),
    [matrix, chosen],
  );
  const rows = useMemo(() => rowsOf(matrix, groups.map(({ id }) => id), show), [matrix, groups, show]);
  const columns = useMemo(() => columnsOf(groups), [groups]);
  return (
    <DataTable
      label={t.matrix.table}
      rows={rows}
      columns={columns}
      rowId={(row) => row.id}
      text={(row) => `${row.name} ${row.id}`}
      tools={
        <>
          <MultiSelect
            aria-label={t.matrix.groups}
            placeholder={chosen === undefined ? t.matrix.allGroups : ""}
            data={matrix.gateway_groups.map(({ id, name }) => ({ value: id, label: name }))}
            value={chosen ?? []}
            onChange={(ids) => change({ groups: ids.length > 0 ? ids : undefined })}
            searchable
            clearable
            miw={220}
            maw={460}
          />
          <SegmentedControl
            aria-label={t.matrix.show}
            data={SHOWS.map((value) => ({ value, label: t.matrix.shows[value] }))}
            value={show}
            onChange={(value: Shows) => change({ show: value === "all" ? undefined : value })}
            className="fits"
          />
        </>
      }
    />
  );
}

function columnsOf(groups: ServicesMatrix["gateway_groups"]): Column<Row>[] {
  const name: Column<Row> = { id: "name", header: t.compare.service, accessorKey: "name" };
  const state: Column<Row> = {
    id: "state",
    header: t.compare.state,
    accessorFn: (row) => (row.drift ? 0 : row.there),
    cell: ({ row }) => <Standing row={row.original} all={groups.length} />,
  };
  const where = groups.map(
    ({ id, name: header }): Column<Row> => ({
      id,
      header,
      accessorFn: (row) => row.groups[id]?.version ?? "",
      cell: ({ row }) => <Cell row={row.original} groupId={id} />,
    }),
  );
  return [name, state, ...where];
}

function Standing({ row, all }: { row: Row; all: number }) {
  if (row.drift) return <State look="warning">{t.matrix.drift}</State>;
  if (row.there === all) return <State look="good">{t.matrix.equal}</State>;
  return <State look="plain">{t.matrix.partly(row.there, all)}</State>;
}

function Cell({ row, groupId }: { row: Row; groupId: string }) {
  const where = row.groups[groupId];
  if (!where) {
    return (
      <Text size="sm" c="dimmed">
        <span aria-hidden>–</span>
        <VisuallyHidden>{t.matrix.notHere}</VisuallyHidden>
      </Text>
    );
  }
  return (
    <Group gap={6} wrap="nowrap">
      <Go
        to="/groups/$groupId/services/$serviceId"
        params={{ groupId, serviceId: row.id }}
        size="sm"
        td={where.status === 0 ? "line-through" : undefined}
      >
        {where.version ?? t.fleet.noVersion}
      </Go>
      {where.status === 0 && <VisuallyHidden>{t.matrix.off}</VisuallyHidden>}
      {row.odd.has(groupId) && (
        <span title={t.matrix.odd}>
          <TriangleAlert size={14} color="var(--mantine-color-orange-6)" aria-hidden />
          <VisuallyHidden>{t.matrix.odd}</VisuallyHidden>
        </span>
      )}
    </Group>
  );
}
