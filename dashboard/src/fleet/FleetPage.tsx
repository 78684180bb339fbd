/** The fleet's home: every gateway group with its instances, services, and whether all of it is live. */
import { Group, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useState } from "react";

import { ApiError } from "@/api/client";
import { allInstancesQuery, groupsQuery, matrixQuery } from "@/api/queries";
import type { Group as GatewayGroup, Instance } from "@/api/shapes";
import { GroupForm } from "@/group/GroupForm";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { Empty } from "@/ui/Empty";
import { LabelsInput, matches } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";

import { GroupCards } from "./GroupCards";
import { GroupTable } from "./GroupTable";
import type { FleetSearch } from "./search";
import { standings } from "./standing";

export function FleetPage({ search }: { search: FleetSearch }) {
  const [adding, setAdding] = useState(false);
  const groups = useQuery({ ...groupsQuery, refetchInterval: 20_000 });
  const permissions = usePermissions();
  const add = (
    <Add allowed={permissions["CreateGatewayGroup"]} onClick={() => setAdding(true)}>
      {t.fleet.add}
    </Add>
  );
  return (
    <Page title={t.fleet.title} actions={add}>
      <Loaded query={groups}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.fleet.emptyTitle} said={t.fleet.empty}>
              {add}
            </Empty>
          ) : (
            <Fleet groups={list} search={search} />
          )
        }
      </Loaded>
      <GroupForm opened={adding} onClose={() => setAdding(false)} />
    </Page>
  );
}

function Fleet({ groups, search }: { groups: GatewayGroup[]; search: FleetSearch }) {
  const navigate = useNavigate();
  const shown = groups.filter((group) => fits(group, search));
  const instances = useQuery(allInstancesQuery);
  // who may read no instance sees the groups all the same
  const denied = instances.error instanceof ApiError && instances.error.status === 403;
  const matrix = useQuery(matrixQuery);
  const change = (more: FleetSearch) => void navigate({ to: "/", search: { ...search, ...more }, replace: true });
  const known = [...new Set(groups.flatMap((group) => Object.entries(group.labels).map((pair) => pair.join(":"))))];
  const cards = (list: Instance[]) => {
    const all = standings(shown, list, matrix.data);
    if (all.length === 0) return <Empty title={t.common.noMatch} said={t.common.noMatchHint} />;
    return search.view === "table" ? <GroupTable standings={all} /> : <GroupCards standings={all} />;
  };
  return (
    <Stack>
      <Group justify="space-between">
        <Group gap="xs">
          <TextInput
            aria-label={t.fleet.search}
            placeholder={t.fleet.search}
            leftSection={<Search size={14} aria-hidden />}
            value={search.find ?? ""}
            onChange={(event) => change({ find: event.currentTarget.value || undefined })}
          />
          <LabelsInput
            label={t.fleet.labelFilter}
            placeholder={t.fleet.labelFilter}
            hideLabel
            known={known.sort()}
            value={search.labels ?? {}}
            onChange={(labels) => change({ labels: Object.keys(labels).length > 0 ? labels : undefined })}
          />
        </Group>
        <SegmentedControl
          aria-label={t.fleet.view}
          data={[
            { value: "cards", label: t.fleet.cards },
            { value: "table", label: t.fleet.table },
          ]}
          value={search.view ?? "cards"}
          onChange={(view) => change({ view: view === "table" ? view : undefined })}
        />
      </Group>
      {denied ? cards([]) : <Loaded query={instances}>{cards}</Loaded>}
    </Stack>
  );
}

function fits(group: GatewayGroup, { find = "", labels = {} }: FleetSearch): boolean {
  const text = `${group.name} ${group.description} ${group.id}`.toLowerCase();
  return text.includes(find.toLowerCase()) && matches(group.labels, labels);
}
