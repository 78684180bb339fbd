/** A table that sorts, filters, and draws only the rows in sight, so that ten thousand of them scroll smoothly. */
import { Button, Group, ScrollArea, Stack, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import {
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  type Header,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, ChevronsUpDown, Search } from "lucide-react";
import { type ReactNode, useDeferredValue, useMemo, useRef, useState } from "react";

import { t } from "@/texts";

import classes from "./DataTable.module.css";

export type Column<T> = ColumnDef<T> & { header: string };

interface Props<T> {
  /** What the table lists, for who cannot see it. */
  label: string;
  rows: T[];
  columns: Column<T>[];
  rowId: (row: T) => string;
  /** All text of a row that the filter looks at; without it there is no filter. */
  text?: (row: T) => string;
  /** Further filters and buttons beside the filter. */
  tools?: ReactNode;
  sort?: SortingState;
  /** Pixels; more rows scroll. */
  maxHeight?: number | string;
}

const ROW = 45;
const COLLATOR = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Those whose text has what is wanted. */
function matching<T>(rows: T[], wanted: string, textOf: ((row: T) => string) | undefined): T[] {
  return wanted && textOf ? rows.filter((row) => textOf(row).toLowerCase().includes(wanted)) : rows;
}

/** By what each row says in the column, taken once: numbers as such, text so that r9 stands before r10. */
function sorted<T>(rows: T[], columns: Column<T>[], [by]: SortingState): T[] {
  const column = columns.find(({ id }) => id === by?.id);
  if (!by || !column) return rows;
  const keyed = rows.map((row, index) => ({ row, key: keyOf(column, row, index) }));
  const turn = by.desc ? -1 : 1;
  return keyed.sort((a, b) => turn * compared(a.key, b.key)).map(({ row }) => row);
}

function keyOf<T>(column: Column<T>, row: T, index: number): unknown {
  if ("accessorFn" in column) return column.accessorFn(row, index);
  return "accessorKey" in column ? row[column.accessorKey as keyof T] : undefined;
}

function compared(one: unknown, other: unknown): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return COLLATOR.compare(plain(one), plain(other));
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

export function DataTable<T>({ label, rows, columns, rowId, text: textOf, tools, sort = [], maxHeight = "70vh" }: Props<T>) {
  const [sorting, setSorting] = useState<SortingState>(sort);
  const [filter, setFilter] = useState("");
  const wanted = useDeferredValue(filter.trim().toLowerCase());
  const viewport = useRef<HTMLDivElement>(null);
  const found = useMemo(() => matching(rows, wanted, textOf), [rows, wanted, textOf]);
  const shown = useMemo(() => sorted(found, columns, sorting), [found, columns, sorting]);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => viewport.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (index) => {
      const row = shown[index];
      return row === undefined ? index : rowId(row);
    },
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const beyond = (items.at(-1)?.index ?? -1) + 1;
  // only what is in sight becomes rows of the table: making ten thousand of them takes longer than anybody waits
  const seen = useMemo(() => shown.slice(first, beyond), [shown, first, beyond]);
  const table = useReactTable({
    data: seen,
    columns,
    getRowId: rowId,
    state: { sorting },
    onSortingChange: setSorting,
    manualSorting: true,
    getCoreRowModel: getCoreRowModel(),
  });
  const drawn = table.getRowModel().rows;
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
      <ScrollArea.Autosize mah={maxHeight} viewportRef={viewport} viewportProps={{ tabIndex: 0 }} type="auto" className={classes.frame}>
        <Table aria-label={label} aria-rowcount={shown.length + 1} highlightOnHover stickyHeader>
          <Table.Thead>
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id}>
                {group.headers.map((header) => (
                  <Head key={header.id} header={header} />
                ))}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody>
            {above > 0 && <Space height={above} columns={columns.length} />}
            {items.map((item) => {
              const row = drawn[item.index - first];
              if (!row) return null;
              return (
                <Table.Tr key={row.id} data-index={item.index} ref={virtual.measureElement} aria-rowindex={item.index + 2}>
                  {row.getVisibleCells().map((cell) => (
                    <Table.Td key={cell.id}>{flexRender(cell.column.columnDef.cell, cell.getContext())}</Table.Td>
                  ))}
                </Table.Tr>
              );
            })}
            {below > 0 && <Space height={below} columns={columns.length} />}
          </Table.Tbody>
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
      </ScrollArea.Autosize>
    </Stack>
  );
}

function Space({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={columns} style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

function Head<T>({ header }: { header: Header<T, unknown> }) {
  const title = flexRender(header.column.columnDef.header, header.getContext());
  if (!header.column.getCanSort()) return <Table.Th scope="col">{title}</Table.Th>;
  const sorted = header.column.getIsSorted();
  const Icon = sorted === "asc" ? ArrowUp : sorted === "desc" ? ArrowDown : ChevronsUpDown;
  const order = sorted === "asc" ? "ascending" : sorted === "desc" ? "descending" : "none";
  return (
    <Table.Th scope="col" aria-sort={order}>
      <UnstyledButton
        className={classes.sort ?? ""}
        onClick={header.column.getToggleSortingHandler()}
        fz="inherit"
        fw="inherit"
      >
        {title} <Icon size={14} aria-hidden />
      </UnstyledButton>
    </Table.Th>
  );
}
