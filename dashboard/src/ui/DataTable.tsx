/** A table that sorts, filters, and draws only the rows in sight, so that ten thousand of them scroll smoothly. */
import { Button, Group, Stack, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, ChevronsUpDown, Search } from "lucide-react";
import { memo, type ReactNode, useCallback, useDeferredValue, useMemo, useRef, useState } from "react";

import { t } from "@/texts";

import classes from "./DataTable.module.css";
import { ordered } from "./order";

export interface Column<T> {
  id: string;
  header: string;
  /** What the column is sorted by, and shows unless it has a cell; without either of the two it cannot be sorted. */
  accessorKey?: keyof T;
  accessorFn?: (row: T) => unknown;
  enableSorting?: boolean;
  cell?: (props: { row: { original: T } }) => ReactNode;
}

export interface Sort {
  id: string;
  desc: boolean;
}

interface Props<T> {
  /** What the table lists, for who cannot see it. */
  label: string;
  rows: T[];
  /** Of a long list these three are the same at each drawing: others mean to draw every row anew. */
  columns: Column<T>[];
  rowId: (row: T) => string;
  /** All text of a row that the filter looks at; without it there is no filter. */
  text?: (row: T) => string;
  /** Further filters and buttons beside the filter. */
  tools?: ReactNode;
  sort?: Sort;
  /** Pixels; more rows scroll. */
  maxHeight?: number | string;
}

/** Pixels of a row with a button; others are measured, which is to draw twice. */
const ROW = 43;

/** Those whose text has what is wanted. */
function matching<T>(rows: T[], wanted: string, textOf: ((row: T) => string) | undefined): T[] {
  return wanted && textOf ? rows.filter((row) => textOf(row).toLowerCase().includes(wanted)) : rows;
}

function sorted<T>(rows: T[], columns: Column<T>[], by: Sort | undefined): T[] {
  const column = columns.find(({ id }) => id === by?.id);
  return by && column ? ordered(rows, (row) => valueOf(column, row), by.desc) : rows;
}

function valueOf<T>({ accessorFn, accessorKey }: Column<T>, row: T): unknown {
  if (accessorFn) return accessorFn(row);
  return accessorKey && row[accessorKey];
}

export function DataTable<T>({ label, rows, columns, rowId, text: textOf, tools, sort, maxHeight = "70vh" }: Props<T>) {
  const [sorting, setSorting] = useState(sort);
  const [filter, setFilter] = useState("");
  // what was clicked or typed shows at once, and the rows follow
  const by = useDeferredValue(sorting);
  const wanted = useDeferredValue(filter.trim().toLowerCase());
  const viewport = useRef<HTMLDivElement>(null);
  const found = useMemo(() => matching(rows, wanted, textOf), [rows, wanted, textOf]);
  const shown = useMemo(() => sorted(found, columns, by), [found, columns, by]);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => viewport.current,
    estimateSize: () => ROW,
    overscan: 8,
    // another function makes the virtualizer measure all rows anew
    getItemKey: useCallback((index: number) => nameOf(shown[index], index, rowId), [shown, rowId]),
  });
  const items = virtual.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <Stack gap="xs">
      {(textOf ?? tools) && (
        <Group justify="space-between">
          <Group gap="xs" miw={0}>
            {textOf && (
              <TextInput
                aria-label={t.common.filter}
                placeholder={t.common.filter}
                leftSection={<Search size={14} aria-hidden />}
                value={filter}
                onChange={(event) => setFilter(event.currentTarget.value)}
                w={240}
              />
            )}
            {tools}
          </Group>
          <Text size="sm" c="dimmed" role="status">
            {t.common.rows(shown.length, rows.length)}
          </Text>
        </Group>
      )}
      <div className={classes.frame} style={{ maxHeight }} ref={viewport} tabIndex={0}>
        <Table className={classes.table ?? ""} aria-label={label} aria-rowcount={shown.length + 1} stickyHeader>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Head key={column.id} column={column} sort={sorting} onSort={setSorting} />
              ))}
            </Table.Tr>
          </Table.Thead>
          <tbody>
            {above > 0 && <Space height={above} columns={columns.length} />}
            {items.map(({ index, key }) => {
              const row = shown[index];
              return row && <Row key={key} row={row} index={index} columns={columns} onDrawn={virtual.measureElement} />;
            })}
            {below > 0 && <Space height={below} columns={columns.length} />}
          </tbody>
        </Table>
        {shown.length === 0 && (
          <Stack align="center" p="lg" gap="xs">
            <Text c="dimmed">{rows.length === 0 ? t.common.none : t.common.noMatch}</Text>
            {rows.length > 0 && (
              <Button variant="default" size="xs" onClick={() => setFilter("")}>
                {t.common.clearFilter}
              </Button>
            )}
          </Stack>
        )}
      </div>
    </Stack>
  );
}

function nameOf<T>(row: T | undefined, index: number, rowId: (row: T) => string): string | number {
  return row === undefined ? index : rowId(row);
}

interface RowProps<T> {
  row: T;
  index: number;
  columns: Column<T>[];
  onDrawn: (element: HTMLElement | null) => void;
}

/** Of elements of the page's own, not of the kit: there are many, and they are drawn in the time of one key. */
const Row = memo(function Row<T>({ row, index, columns, onDrawn }: RowProps<T>) {
  return (
    <tr className={classes.row} data-index={index} ref={onDrawn} aria-rowindex={index + 2}>
      {columns.map((column) => (
        <td key={column.id} className={classes.cell}>
          {column.cell ? column.cell({ row: { original: row } }) : plain(valueOf(column, row))}
        </td>
      ))}
    </tr>
  );
}) as <T>(props: RowProps<T>) => ReactNode;

function plain(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function Space({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={columns} style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

interface HeadProps<T> {
  column: Column<T>;
  sort: Sort | undefined;
  onSort: (sort: Sort | undefined) => void;
}

function Head<T>({ column, sort, onSort }: HeadProps<T>) {
  const { id, header, accessorKey, accessorFn, enableSorting = true } = column;
  if (!enableSorting || !(accessorKey ?? accessorFn)) return <Table.Th scope="col">{header}</Table.Th>;
  const sorted = sort?.id === id ? sort : undefined;
  const Icon = !sorted ? ChevronsUpDown : sorted.desc ? ArrowDown : ArrowUp;
  const order = !sorted ? "none" : sorted.desc ? "descending" : "ascending";
  return (
    <Table.Th scope="col" aria-sort={order}>
      <UnstyledButton
        className={classes.sort ?? ""}
        onClick={() => onSort(sorted?.desc ? undefined : { id, desc: sorted !== undefined })}
        fz="inherit"
        fw="inherit"
      >
        {header} <Icon size={14} aria-hidden />
      </UnstyledButton>
    </Table.Th>
  );
}
