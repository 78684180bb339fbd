/** Which traffic is looked at: the time, how often it is asked for anew, and what it is limited to. */
import { ActionIcon, Badge, Group, Select, TextInput } from "@mantine/core";
import { X } from "lucide-react";

import { t } from "@/texts";

import type { MonitoringProps, SourcedProps } from "./MonitoringPage";
import { NAMED, type Range, rangesOf, REFRESH, SOURCES, span } from "./search";

const words = t.monitoring;
const CUSTOM = "custom";

export function Controls({ groupId, search, source, both, onChange }: SourcedProps & { both: boolean }) {
  const change = (part: Partial<typeof search>) => onChange({ ...search, page: undefined, ...part });
  const custom = search.from !== undefined;
  const choose = (range: string | null) => {
    if (range === CUSTOM) change({ ...span(search, Math.floor(Date.now() / 1000)), range: undefined });
    else change({ range: range === "1h" ? undefined : (range as Range), from: undefined, to: undefined });
  };
  const ranges = [...rangesOf(source), CUSTOM] as const;
  return (
    <Group align="flex-end" gap="sm">
      {both && (
        <Select
          label={words.source}
          data={SOURCES.map((value) => ({ value, label: words.sources[value] }))}
          value={source}
          onChange={(chosen) => change({ source: chosen ?? undefined })}
          allowDeselect={false}
          w={200}
        />
      )}
      <Select
        label={words.range}
        data={ranges.map((value) => ({ value, label: words.ranges[value] }))}
        value={custom ? CUSTOM : (search.range ?? "1h")}
        onChange={choose}
        allowDeselect={false}
        w={200}
      />
      {custom && <Moment label={words.from} value={search.from} onChange={(from) => change({ from })} />}
      {custom && <Moment label={words.until} value={search.to} onChange={(to) => change({ to })} />}
      {!custom && (
        <Select
          label={words.refresh}
          data={REFRESH.map((each) => ({ value: String(each), label: words.refreshes[each] }))}
          value={String(search.refresh ?? 15)}
          onChange={(value) => change({ refresh: REFRESH.find((each) => String(each) === value) })}
          allowDeselect={false}
          w={170}
        />
      )}
      <Limits groupId={groupId} search={search} onChange={onChange} />
    </Group>
  );
}

/** What it is limited to, each with a way back. */
function Limits({ search, onChange }: MonitoringProps) {
  const limits = (["service", ...NAMED] as const).filter((name) => search[name] !== undefined);
  return limits.map((name) => (
    <Badge
      key={name}
      variant="default"
      size="lg"
      tt="none"
      mb={6}
      rightSection={
        <ActionIcon
          variant="subtle"
          size="xs"
          aria-label={words.without(words.only[name].toLowerCase())}
          onClick={() => onChange({ ...search, [name]: undefined, page: undefined })}
        >
          <X size={12} aria-hidden />
        </ActionIcon>
      }
    >
      {words.only[name]}: {search[name]}
    </Badge>
  ));
}

function Moment({ label, value, onChange }: { label: string; value: number | undefined; onChange: (value: number) => void }) {
  return (
    <TextInput
      type="datetime-local"
      label={label}
      value={value === undefined ? "" : local(value)}
      onChange={(event) => {
        const moment = new Date(event.currentTarget.value).getTime() / 1000;
        if (moment > 0) onChange(moment);
      }}
      w={210}
    />
  );
}

/** Unix seconds as the input wants them: in the time of who looks. */
function local(seconds: number): string {
  const moment = new Date(seconds * 1000);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
