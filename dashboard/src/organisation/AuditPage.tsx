/** Everything that was done and everything that was refused: by filters, entry by entry, and as files. */
import { Group, Pagination, Stack, Text, UnstyledButton } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";

import { AuditDetail } from "./AuditDetail";
import { AuditFilters } from "./AuditFilters";
import { about, Outcome } from "./entry";
import { Exports } from "./Exports";
import { type AuditEntry, auditQuery, PAGE_SIZE } from "./queries";
import type { AuditSearch } from "./search";

const words = t.organisation.audit;

export function AuditPage({ search }: { search: AuditSearch }) {
  const audit = useQuery({ ...auditQuery(search), placeholderData: keepPreviousData });
  const groups = useQuery(groupsQuery).data ?? [];
  const navigate = useNavigate();
  const [shown, setShown] = useState<AuditEntry>();
  const show = (wanted: AuditSearch) => void navigate({ to: "/audit", search: wanted });
  const groupName = (id: string) => groups.find((each) => each.id === id)?.name ?? id;
  return (
    <Page title={words.title} said={words.hint} actions={<Exports search={search} />}>
      <AuditFilters key={JSON.stringify(search)} search={search} groups={groups} onChange={show} />
      <Loaded query={audit} lines={10}>
        {({ list, total }) =>
          total === 0 ? (
            <Empty title={words.empty} said={words.emptyHint} />
          ) : (
            <Stack gap="xs">
              <DataTable
                label={words.title}
                rows={list}
                columns={columnsOf(groupName, setShown)}
                rowId={(entry) => entry.id}
                maxHeight="60vh"
              />
              <Group justify="space-between">
                <Text size="sm" c="dimmed" role="status">
                  {words.total(total)}
                </Text>
                {total > PAGE_SIZE && (
                  <Pagination
                    aria-label={words.page}
                    size="sm"
                    total={Math.ceil(total / PAGE_SIZE)}
                    value={search.page ?? 1}
                    onChange={(page) => show({ ...search, page: page > 1 ? page : undefined })}
                    getControlProps={(control) => ({ "aria-label": control === "next" ? t.common.next : t.common.back })}
                    getItemProps={(page) => ({ "aria-label": String(page) })}
                  />
                )}
              </Group>
            </Stack>
          )
        }
      </Loaded>
      {shown && <AuditDetail entry={shown} groupName={groupName} onClose={() => setShown(undefined)} />}
    </Page>
  );
}

function columnsOf(groupName: (id: string) => string, onShow: (entry: AuditEntry) => void): Column<AuditEntry>[] {
  return [
    {
      id: "when",
      header: words.when,
      accessorKey: "event_time",
      enableSorting: false,
      cell: ({ row }) => <Time at={row.original.event_time} />,
    },
    { id: "who", header: words.who, accessorFn: (entry) => entry.operator.username || t.common.unknown, enableSorting: false },
    {
      id: "what",
      header: words.what,
      enableSorting: false,
      cell: ({ row }) => (
        <UnstyledButton
          fz="sm"
          c="var(--mantine-color-anchor)"
          aria-label={words.show(row.original.event_type)}
          onClick={() => onShow(row.original)}
        >
          {row.original.event_type}
        </UnstyledButton>
      ),
    },
    { id: "about", header: words.about, accessorFn: about, enableSorting: false },
    {
      id: "group",
      header: words.group,
      accessorFn: (entry) => (entry.gateway_group_id ? groupName(entry.gateway_group_id) : ""),
      enableSorting: false,
    },
    { id: "outcome", header: words.outcome, enableSorting: false, cell: ({ row }) => <Outcome entry={row.original} /> },
  ];
}
