/** Which entries of the audit log are shown; the address says it. */
import { Button, Group, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import type { Group as GatewayGroup } from "@/api/shapes";
import { t } from "@/texts";

import { eventTypesQuery, usersQuery } from "./queries";
import type { AuditSearch } from "./search";

const words = t.organisation.audit;

interface Props {
  search: AuditSearch;
  groups: GatewayGroup[];
  onChange: (search: AuditSearch) => void;
}

export function AuditFilters({ search, groups, onChange }: Props) {
  const kinds = useQuery(eventTypesQuery).data ?? [];
  const users = useQuery(usersQuery).data ?? [];
  const [about, setAbout] = useState(search.about ?? "");
  const change = (part: AuditSearch) => onChange({ ...search, page: undefined, ...part });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    change({ about: about.trim() || undefined });
  };
  const choose = (name: "what" | "who" | "group", label: string, all: string, data: { value: string; label: string }[]) => (
    <Select
      label={label}
      placeholder={all}
      data={withChosen(data, search[name])}
      value={search[name] ?? null}
      onChange={(value) => change({ [name]: value ?? undefined })}
      searchable
      clearable
      w={200}
    />
  );
  const named = groups.map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Group align="flex-end" gap="sm">
      {choose("what", words.what, words.anything, kinds.map((value) => ({ value, label: value })))}
      {choose("who", words.who, words.anyone, users.map(({ id, username }) => ({ value: id, label: username })))}
      {choose("group", words.group, words.anyGroup, named)}
      <form onSubmit={submit}>
        <TextInput label={words.resource} value={about} onChange={(event) => setAbout(event.currentTarget.value)} w={200} />
      </form>
      <Day label={words.from} value={search.from} onChange={(from) => change({ from })} />
      <Day label={words.until} value={search.until} onChange={(until) => change({ until })} />
      {Object.entries(search).some(([name, value]) => name !== "page" && value !== undefined) && (
        <Button variant="default" onClick={() => onChange({})}>
          {words.clear}
        </Button>
      )}
    </Group>
  );
}

interface DayProps {
  label: string;
  value: string | undefined;
  onChange: (day: string | undefined) => void;
}

function Day({ label, value, onChange }: DayProps) {
  return (
    <TextInput type="date" label={label} value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value || undefined)} w={160} />
  );
}

/** What is chosen is listed, also if it is there no more. */
function withChosen(data: { value: string; label: string }[], chosen: string | undefined) {
  if (chosen === undefined || data.some(({ value }) => value === chosen)) return data;
  return [...data, { value: chosen, label: chosen }];
}
