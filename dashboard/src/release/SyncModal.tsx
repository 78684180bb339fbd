/** Brings what a gateway group runs of a service to other groups, under a version. */
import { SegmentedControl, Stack, TextInput } from "@mantine/core";
import { useState } from "react";

import type { Plan, PublishedService, Released } from "@/api/shapes";
import { First } from "@/ring/First";
import { trialPlan } from "@/ring/queries";
import { useStartRing } from "@/ring/starting";
import { NodesInput } from "@/service/NodesInput";
import { t } from "@/texts";

import { NOTHING_SAID, sync, type Sync, trialOf } from "./calls";
import { Notes } from "./Notes";
import { RegistryFields } from "./RegistryFields";
import { ReleaseModal } from "./ReleaseModal";
import { HostsThere, TargetGroups } from "./Targets";

interface Props {
  groupId: string;
  service: PublishedService;
  opened: boolean;
  onClose: () => void;
}

const EMPTY: Sync = { groupIds: [], version: "", hosts: [], where: null, share: null, ...NOTHING_SAID };
const BEGINNINGS = {
  kept: null,
  nodes: { nodes: [{ host: "", weight: 1 }] },
  registry: { registryId: "", namespace: "", group: "", name: "" },
} as const satisfies Record<string, Sync["where"]>;

export function SyncModal(props: Props) {
  // a new order each time it opens
  return props.opened ? <Opened {...props} /> : null;
}

function Opened({ groupId, service, opened, onClose }: Props) {
  const [wanted, setWanted] = useState(EMPTY);
  const start = useStartRing();
  const where = { groupId, serviceId: service.id };
  const { version } = service;
  const [target = ""] = wanted.groupIds;
  const trial =
    wanted.share && version && canRing(service, wanted) ? trialOf(service.id, version, wanted, wanted.share) : undefined;
  return (
    <ReleaseModal
      opened={opened}
      title={t.release.syncTitle(service.name)}
      verb={trial ? t.ring.doStart : t.release.doSync}
      form={<Fields groupId={groupId} service={service} wanted={wanted} onChange={setWanted} />}
      preview={() => (trial ? trialPlan(target, trial) : sync<Plan>(where, wanted, true))}
      release={() => (trial ? start(target, trial) : sync<Released>(where, wanted, false))}
      onClose={onClose}
    />
  );
}

/** A ring tries a version that is there already, in one gateway group. */
function canRing(service: PublishedService, { groupIds }: Sync): boolean {
  return service.version !== undefined && groupIds.length === 1;
}

interface FieldsProps {
  groupId: string;
  service: PublishedService;
  wanted: Sync;
  onChange: (wanted: Sync) => void;
}

function Fields({ groupId, service, wanted, onChange }: FieldsProps) {
  const change = (part: Partial<Sync>) => onChange({ ...wanted, ...part });
  return (
    <Stack>
      <TargetGroups value={wanted.groupIds} but={groupId} onChange={(groupIds) => change({ groupIds })} />
      <TextInput
        label={t.release.version}
        description={service.version ? t.release.versionHas : t.release.versionNew}
        value={service.version ?? wanted.version}
        onChange={(event) => change({ version: event.currentTarget.value.trim() })}
        readOnly={service.version !== undefined}
        required
      />
      {service.type !== "stream" && <HostsThere value={wanted.hosts} onChange={(hosts) => change({ hosts })} />}
      <Where wanted={wanted} onChange={(where) => change({ where })} />
      <First share={wanted.share} hint={canRing(service, wanted) ? "" : t.ring.firstSync} onChange={(share) => change({ share })} />
      <Notes value={wanted} onChange={change} />
    </Stack>
  );
}

/** Where the service is in those groups: as it is, these nodes, or a name in a registry. */
function Where({ wanted, onChange }: { wanted: Sync; onChange: (where: Sync["where"]) => void }) {
  const { where, groupIds } = wanted;
  const way = where === null ? "kept" : "nodes" in where ? "nodes" : "registry";
  return (
    <Stack gap="xs">
      <SegmentedControl
        aria-label={t.release.where}
        data={[
          { value: "kept", label: t.release.whereKept },
          { value: "nodes", label: t.release.whereNodes },
          { value: "registry", label: t.release.whereRegistry },
        ]}
        value={way}
        onChange={(chosen) => onChange(BEGINNINGS[chosen])}
        w="fit-content"
      />
      {where && "nodes" in where && <NodesInput nodes={where.nodes} onChange={(nodes) => onChange({ nodes })} />}
      {where && "registryId" in where && <RegistryFields groupIds={groupIds} value={where} onChange={onChange} />}
    </Stack>
  );
}
