/** The instances of every gateway group, by state and group; the address keeps the filter. */
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { allInstancesQuery, groupsQuery } from "@/api/queries";
import type { Group, Instance } from "@/api/shapes";
import { states } from "@/fleet/standing";
import { InstancesTable } from "@/group/InstancesTable";
import { t } from "@/texts";
import type { Column } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";

import { type InstanceSearch, STATES } from "./search";

export function AllInstancesPage({ search }: { search: InstanceSearch }) {
  const instances = useQuery(allInstancesQuery);
  return (
    <Page title={t.instance.all} said={t.instance.allHint}>
      <Loaded query={instances} lines={8}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.instance.emptyAll} said={t.instance.emptyAllHint} />
          ) : (
            <All instances={list} search={search} />
          )
        }
      </Loaded>
    </Page>
  );
}

function All({ instances, search: { group, state } }: { instances: Instance[]; search: InstanceSearch }) {
  const groups = useQuery(groupsQuery).data;
  const navigate = useNavigate();
  const change = (more: InstanceSearch) =>
    void navigate({ to: "/instances", search: { group, state, ...more }, replace: true });
  const here = instances.filter((each) => group === undefined || each.gateway_group_id === group);
  const shown = here.filter(({ status }) => state === undefined || status === state);
  const counts = new Map(states(here));
  const column = useMemo(() => groupColumn(groups ?? []), [groups]);
  return (
    <InstancesTable
      label={t.instance.all}
      instances={shown}
      first={[column]}
      maxHeight="70vh"
      tools={
        <>
          <Select
            aria-label={t.instance.group}
            placeholder={t.instance.anyGroup}
            data={(groups ?? []).map(({ id, name }) => ({ value: id, label: name }))}
            value={group ?? null}
            onChange={(value) => change({ group: value ?? undefined })}
            searchable
            clearable
          />
          <Select
            aria-label={t.instance.state}
            placeholder={t.instance.anyState}
            data={STATES.map((value) => ({ value, label: `${t.fleet.states[value]} (${counts.get(value) ?? 0})` }))}
            value={state ?? null}
            onChange={(value) => change({ state: STATES.find((each) => each === value) })}
            clearable
          />
        </>
      }
    />
  );
}

function groupColumn(groups: Group[]): Column<Instance> {
  const names = new Map(groups.map(({ id, name }) => [id, name]));
  const name = ({ gateway_group_id: id }: Instance) => names.get(id) ?? id;
  return {
    id: "group",
    header: t.instance.group,
    accessorFn: name,
    cell: ({ row: { original } }) => (
      <Go to="/groups/$groupId/instances" params={{ groupId: original.gateway_group_id }} size="sm">
        {name(original)}
      </Go>
    ),
  };
}
