/** Brings what a gateway group runs of a service to other groups, under a version. */
import { Group, MultiSelect, SegmentedControl, Stack, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { groupsQuery } from "@/api/queries";
import type { Plan, PublishedService, Released } from "@/api/shapes";
import { NodesInput } from "@/service/NodesInput";
import { t } from "@/texts";

import { sync, type Sync } from "./calls";
import { ReleaseModal } from "./ReleaseModal";

interface Props {
  groupId: string;
  service: PublishedService;
  opened: boolean;
  onClose: () => void;
}

export function SyncModal(props: Props) {
  // a new order each time it opens
  return props.opened ? <Opened {...props} /> : null;
}

function Opened({ groupId, service, opened, onClose }: Props) {
  const [wanted, setWanted] = useState<Sync>({
    groupIds: [],
    version: "",
    hosts: [],
    nodes: null,
    note: "",
    rollbackNote: "",
    owner: "",
  });
  const where = { groupId, serviceId: service.id };
  return (
    <ReleaseModal
      opened={opened}
      title={t.release.syncTitle(service.name)}
      verb={t.release.doSync}
      form={<Fields groupId={groupId} service={service} wanted={wanted} onChange={setWanted} />}
      preview={() => sync<Plan>(where, wanted, true)}
      release={() => sync<Released>(where, wanted, false)}
      onClose={onClose}
    />
  );
}

interface FieldsProps {
  groupId: string;
  service: PublishedService;
  wanted: Sync;
  onChange: (wanted: Sync) => void;
}

function Fields({ groupId, service, wanted, onChange }: FieldsProps) {
  const groups = (useQuery(groupsQuery).data ?? []).filter((group) => group.id !== groupId);
  const change = (part: Partial<Sync>) => onChange({ ...wanted, ...part });
  return (
    <Stack>
      <MultiSelect
        label={t.release.toGroups}
        data={groups.map((group) => ({ value: group.id, label: group.name }))}
        value={wanted.groupIds}
        onChange={(groupIds) => change({ groupIds })}
        searchable
        withAsterisk
        data-autofocus
      />
      <TextInput
        label={t.release.version}
        description={service.version ? t.release.versionHas : t.release.versionNew}
        value={service.version ?? wanted.version}
        onChange={(event) => change({ version: event.currentTarget.value.trim() })}
        readOnly={service.version !== undefined}
        required
      />
      {service.type !== "stream" && (
        <TagsInput
          label={t.release.hostsThere}
          description={t.release.hostsThereHint}
          value={wanted.hosts}
          onChange={(hosts) => change({ hosts })}
          splitChars={[",", " "]}
          acceptValueOnBlur
        />
      )}
      <SegmentedControl
        aria-label={t.release.where}
        data={[
          { value: "kept", label: t.release.whereKept },
          { value: "nodes", label: t.release.whereNodes },
        ]}
        value={wanted.nodes ? "nodes" : "kept"}
        onChange={(way) => change({ nodes: way === "nodes" ? [{ host: "", weight: 1 }] : null })}
        w="fit-content"
      />
      {wanted.nodes && <NodesInput nodes={wanted.nodes} onChange={(nodes) => change({ nodes })} />}
      <Textarea
        label={t.release.note}
        description={t.release.noteHint}
        value={wanted.note}
        onChange={(event) => change({ note: event.currentTarget.value })}
        autosize
      />
      <Group grow>
        <TextInput
          label={t.release.owner}
          value={wanted.owner}
          onChange={(event) => change({ owner: event.currentTarget.value })}
        />
        <TextInput
          label={t.release.rollbackNote}
          value={wanted.rollbackNote}
          onChange={(event) => change({ rollbackNote: event.currentTarget.value })}
        />
      </Group>
    </Stack>
  );
}
