/** Where the audit log is forwarded to, and whether that works. */
import { Group, Stack, Text } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import { LIVE } from "@/api/queries";
import type { Listed } from "@/api/shapes";
import { type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Empty } from "@/ui/Empty";
import { FormDrawer } from "@/ui/FormDrawer";
import { Loaded } from "@/ui/Loaded";
import { Open } from "@/ui/Open";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { bodyOf, formOf, FRESH, lookOf, type Sink, targetOf } from "./sink";
import { SinkFields } from "./SinkFields";

const words = t.organisation.sinks;
type Doing = { what: "add" } | { what: "edit" | "remove"; sink: Sink };

const sinksQuery = queryOptions({
  queryKey: ["audit-sinks"],
  refetchInterval: LIVE,
  queryFn: async () => (await shaped<Listed<Sink>>(api.GET("/api/audit_sinks"))).list,
});

export function SinksPage() {
  const sinks = useQuery(sinksQuery);
  const permissions = usePermissions();
  const [doing, setDoing] = useState<Doing>();
  const close = () => setDoing(undefined);
  const add = (
    <Add allowed={permissions["CreateAuditSink"]} onClick={() => setDoing({ what: "add" })}>
      {words.add}
    </Add>
  );
  return (
    <Page title={words.title} said={words.hint} actions={add}>
      <Loaded query={sinks}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.empty} said={words.emptyHint}>
              {add}
            </Empty>
          ) : (
            <DataTable label={words.title} rows={list} columns={columnsOf(permissions, setDoing)} rowId={(sink) => sink.id} />
          )
        }
      </Loaded>
      {doing && doing.what !== "remove" && (
        <SinkForm sink={doing.what === "edit" ? doing.sink : undefined} permissions={permissions} onClose={close} />
      )}
      <Deed
        to={doing?.what === "remove" ? doing.sink : undefined}
        title={({ name }) => words.remove(name)}
        verb={t.common.remove}
        hint={() => words.removeHint}
        act={({ id }) => api.DELETE("/api/audit_sinks/{id}", { params: { path: { id } } })}
        tell={({ name }) => tell(words.removed(name))}
        stale={sinksQuery.queryKey}
        onClose={close}
      />
    </Page>
  );
}

function SinkForm({ sink, permissions, onClose }: { sink: Sink | undefined; permissions: Permissions; onClose: () => void }) {
  return (
    <FormDrawer
      title={sink ? words.edit(sink.name) : words.add}
      from={sink ? formOf(sink) : FRESH}
      fresh={!sink}
      fields={(props) => <SinkFields {...props} />}
      save={(form) =>
        sink
          ? api.PUT("/api/audit_sinks/{id}", { params: { path: { id: sink.id } }, body: bodyOf(form) })
          : api.POST("/api/audit_sinks", { body: bodyOf(form) })
      }
      done={({ name }) => words.saved(name)}
      stale={sinksQuery.queryKey}
      allowed={permissions[sink ? "UpdateAuditSink" : "CreateAuditSink"]}
      onClose={onClose}
    />
  );
}

function columnsOf(permissions: Permissions, onDo: (doing: Doing) => void): Column<Sink>[] {
  return [
    {
      id: "name",
      header: t.common.name,
      accessorKey: "name",
      cell: ({ row: { original: sink } }) => <Open onClick={() => onDo({ what: "edit", sink })}>{sink.name}</Open>,
    },
    { id: "type", header: words.type, accessorFn: ({ type }) => words.types[type] },
    {
      id: "target",
      header: words.target,
      accessorFn: targetOf,
      cell: ({ row }) => <span className="break">{targetOf(row.original)}</span>,
    },
    { id: "state", header: words.state, accessorFn: (sink) => lookOf(sink)[1], cell: ({ row }) => <Works sink={row.original} /> },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row: { original: sink } }) => (
        <Remove
          label={words.remove(sink.name)}
          allowed={permissions["DeleteAuditSink"]}
          onClick={() => onDo({ what: "remove", sink })}
        />
      ),
    },
  ];
}

function Works({ sink }: { sink: Sink }) {
  const [look, state] = lookOf(sink);
  return (
    <Stack gap={2}>
      <Group gap="xs">
        <State look={look}>{words[state]}</State>
        {state === "failing" && (
          <Text size="xs" c="dimmed">
            {words.since} <Time at={sink.failing_since} />
          </Text>
        )}
      </Group>
      {state === "failing" && (
        <Text size="xs" className="break">
          {sink.last_error}
        </Text>
      )}
    </Stack>
  );
}
