/** Where users prove who they are. */
import { Text } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import type { Listed } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { FormDrawer } from "@/ui/FormDrawer";
import { Loaded } from "@/ui/Loaded";
import { NameInput } from "@/ui/NameInput";
import { Open } from "@/ui/Open";
import { Page } from "@/ui/Page";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

const words = t.organisation.logins;

interface LoginOption {
  id: string;
  name: string;
  type: string;
  enabled: boolean;
  updated_at: number;
}

const loginsQuery = queryOptions({
  queryKey: ["login-options"],
  queryFn: async () => (await shaped<Listed<LoginOption>>(api.GET("/api/login_options"))).list,
});

export function LoginsPage() {
  const logins = useQuery(loginsQuery);
  const allowed = usePermissions()["UpdateLoginOption"];
  const [editing, setEditing] = useState<LoginOption>();
  return (
    <Page title={words.title} said={words.hint}>
      <Loaded query={logins}>
        {(list) => (
          <DataTable label={words.title} rows={list} columns={columnsOf(setEditing)} rowId={(option) => option.id} />
        )}
      </Loaded>
      {editing && (
        <FormDrawer
          title={words.edit(editing.name)}
          from={editing.name}
          fresh={false}
          fields={({ value, onChange, error }) => (
            <>
              <Text size="sm">{words.editHint}</Text>
              <NameInput value={value} error={error} onChange={onChange} />
            </>
          )}
          save={(name) =>
            api.PUT("/api/login_options/{id}", {
              params: { path: { id: editing.id } },
              body: { name, type: editing.type, enabled: editing.enabled },
            })
          }
          done={words.saved}
          stale={loginsQuery.queryKey}
          allowed={allowed}
          onClose={() => setEditing(undefined)}
        />
      )}
    </Page>
  );
}

function columnsOf(onEdit: (option: LoginOption) => void): Column<LoginOption>[] {
  return [
    {
      id: "name",
      header: t.common.name,
      accessorKey: "name",
      cell: ({ row }) => <Open onClick={() => onEdit(row.original)}>{row.original.name}</Open>,
    },
    { id: "type", header: words.type, accessorFn: ({ type }) => words.types[type] ?? type },
    {
      id: "state",
      header: words.state,
      accessorFn: ({ enabled }) => (enabled ? 1 : 0),
      cell: ({ row }) => (row.original.enabled ? <State look="good">{words.on}</State> : <State look="plain">{words.off}</State>),
    },
    { id: "changed", header: t.common.changed, accessorKey: "updated_at", cell: ({ row }) => <Time at={row.original.updated_at} /> },
  ];
}
