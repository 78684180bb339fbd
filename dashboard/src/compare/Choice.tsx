/** Which two sides are compared; the address says it. */
import { ActionIcon, Group, SegmentedControl, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ArrowLeftRight } from "lucide-react";

import { groupsQuery } from "@/api/queries";
import { revisionsQuery } from "@/revision/queries";
import { t } from "@/texts";
import { ago } from "@/ui/Time";

import type { CompareSearch } from "./search";

const NOW = "now";

interface Props {
  search: CompareSearch;
  onChange: (search: CompareSearch) => void;
}

export function Choice({ search, onChange }: Props) {
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label={t.compare.what}
        data={[
          { value: "groups", label: t.compare.groups },
          { value: "revisions", label: t.compare.revisions },
        ]}
        value={search.revisions ? "revisions" : "groups"}
        onChange={(what) => onChange({ group: search.group, revisions: what === "revisions" ? true : undefined })}
        w="fit-content"
        className="fits"
      />
      <Group align="flex-end" gap="sm">
        {search.revisions ? (
          <Revisions search={search} onChange={onChange} />
        ) : (
          <Groups search={search} onChange={onChange} />
        )}
      </Group>
    </Stack>
  );
}

function Groups({ search, onChange }: Props) {
  return (
    <>
      <OneGroup label={t.compare.from} value={search.with} onChange={(other) => onChange({ ...search, with: other })} />
      <ActionIcon
        variant="default"
        size="input-sm"
        aria-label={t.compare.swap}
        title={t.compare.swap}
        onClick={() => onChange({ group: search.with, with: search.group })}
      >
        <ArrowLeftRight size={16} aria-hidden />
      </ActionIcon>
      <OneGroup label={t.compare.to} value={search.group} onChange={(group) => onChange({ ...search, group })} />
    </>
  );
}

function Revisions({ search, onChange }: Props) {
  const { group, from, to } = search;
  const list = useQuery({ ...revisionsQuery(group ?? "", 1), enabled: group !== undefined }).data?.list ?? [];
  const known = list.map((each) => ({
    value: String(each.revision),
    label: t.compare.revisionSaid(each.revision, each.action, ago(each.at)),
  }));
  return (
    <>
      <OneGroup
        label={t.compare.group}
        value={group}
        onChange={(chosen) => onChange({ revisions: true, group: chosen })}
      />
      <Select
        label={t.compare.fromRevision}
        data={withChosen(known, from)}
        value={from === undefined ? null : String(from)}
        onChange={(value) => onChange({ ...search, from: value === null ? undefined : Number(value) })}
        disabled={group === undefined}
        searchable
        w={280}
      />
      <Select
        label={t.compare.toRevision}
        data={[{ value: NOW, label: t.compare.now }, ...withChosen(known, to)]}
        value={to === undefined ? NOW : String(to)}
        onChange={(value) => onChange({ ...search, to: value === null || value === NOW ? undefined : Number(value) })}
        disabled={group === undefined}
        allowDeselect={false}
        searchable
        w={280}
      />
    </>
  );
}

interface OneGroupProps {
  label: string;
  value: string | undefined;
  onChange: (groupId: string | undefined) => void;
}

function OneGroup({ label, value, onChange }: OneGroupProps) {
  const groups = useQuery(groupsQuery).data ?? [];
  return (
    <Select
      label={label}
      placeholder={t.common.chooseGroup}
      data={groups.map(({ id, name }) => ({ value: id, label: name }))}
      value={value ?? null}
      onChange={(chosen) => onChange(chosen ?? undefined)}
      searchable
      w={260}
    />
  );
}

/** A revision that is older than those that are offered is offered, too, once it is chosen. */
function withChosen(known: { value: string; label: string }[], chosen: number | undefined) {
  if (chosen === undefined || known.some(({ value }) => value === String(chosen))) return known;
  return [...known, { value: String(chosen), label: String(chosen) }];
}
