/** Publishes a service template under a version to gateway groups. */
import { SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Plan, Released } from "@/api/shapes";
import { First } from "@/ring/First";
import { trialPlan } from "@/ring/queries";
import { useStartRing } from "@/ring/starting";
import { UpstreamFields } from "@/service/UpstreamFields";
import { templateVersionsQuery } from "@/template/queries";
import type { Template, TemplateVersion } from "@/template/shapes";
import { t } from "@/texts";

import { NOTHING_SAID, publish, type Publish, trialOfPublication } from "./calls";
import { Notes } from "./Notes";
import { ReleaseModal } from "./ReleaseModal";
import { HostsThere, TargetGroups } from "./Targets";

interface Props {
  template: Template;
  /** The gateway groups to begin with. */
  groupIds?: string[];
  /** A version that is there already; without it one is made of what the template is now. */
  version?: TemplateVersion | undefined;
  onClose: () => void;
}

const GIVEN = { nodes: [{ host: "", weight: 1 }] };

export function PublishModal({ template, groupIds = [], version, onClose }: Props) {
  const [wanted, setWanted] = useState<Publish>({
    serviceId: template.id,
    groupIds,
    version: version?.version ?? "",
    versionId: version?.id ?? null,
    hosts: [],
    // who publishes for the first time what says nowhere where it is has to say it
    upstream: template.upstream || template.last_published ? null : GIVEN,
    share: null,
    ...NOTHING_SAID,
  });
  const start = useStartRing();
  const [target = ""] = wanted.groupIds;
  const trial = wanted.share && wanted.groupIds.length === 1 ? trialOfPublication(wanted, wanted.share) : undefined;
  return (
    <ReleaseModal
      opened
      title={t.release.publishTitle(template.name)}
      verb={trial ? t.ring.doStart : t.release.doPublish}
      form={<Fields template={template} wanted={wanted} onChange={setWanted} />}
      preview={() => (trial ? trialPlan(target, trial) : publish<Plan>(wanted, true))}
      release={() => (trial ? start(target, trial) : publish<Released>(wanted, false))}
      onClose={onClose}
    />
  );
}

interface FieldsProps {
  template: Template;
  wanted: Publish;
  onChange: (wanted: Publish) => void;
}

function Fields({ template, wanted, onChange }: FieldsProps) {
  const change = (part: Partial<Publish>) => onChange({ ...wanted, ...part });
  const stream = template.type === "stream";
  return (
    <Stack>
      <TargetGroups value={wanted.groupIds} onChange={(groupIds) => change({ groupIds })} />
      <Version templateId={template.id} wanted={wanted} onChange={change} />
      {!stream && <HostsThere value={wanted.hosts} onChange={(hosts) => change({ hosts })} />}
      <Stack gap="xs">
        <SegmentedControl
          aria-label={t.release.where}
          data={[
            { value: "kept", label: t.release.whereKept },
            { value: "given", label: t.release.whereGiven },
          ]}
          value={wanted.upstream ? "given" : "kept"}
          onChange={(way) => change({ upstream: way === "given" ? GIVEN : null })}
          w="fit-content"
        />
        {wanted.upstream ? (
          <UpstreamFields value={wanted.upstream} stream={stream} error={null} onChange={(upstream) => change({ upstream })} />
        ) : (
          <Text size="sm" c="dimmed">
            {t.release.whereKeptHint}
          </Text>
        )}
      </Stack>
      <First
        share={wanted.share}
        hint={wanted.groupIds.length === 1 ? "" : t.ring.firstPublish}
        onChange={(share) => change({ share })}
      />
      <Notes value={wanted} onChange={change} />
    </Stack>
  );
}

interface VersionProps {
  templateId: string;
  wanted: Publish;
  onChange: (part: Partial<Publish>) => void;
}

/** A new version of the template, or one that was made before. */
function Version({ templateId, wanted, onChange }: VersionProps) {
  const versions = useQuery(templateVersionsQuery(templateId)).data ?? [];
  const before = wanted.versionId !== null;
  const choose = (id: string | null | undefined) => {
    const found = versions.find((each) => each.id === id);
    onChange({ versionId: found?.id ?? null, version: found?.version ?? "" });
  };
  return (
    <Stack gap="xs">
      {versions.length > 0 && (
        <SegmentedControl
          aria-label={t.release.whatVersion}
          data={[
            { value: "now", label: t.release.versionOfNow },
            { value: "before", label: t.release.versionOfBefore },
          ]}
          value={before ? "before" : "now"}
          onChange={(way) => choose(way === "before" ? versions[0]?.id : null)}
          w="fit-content"
        />
      )}
      {before ? (
        <Select
          label={t.release.version}
          data={versions.map((each) => ({ value: each.id, label: each.version }))}
          value={wanted.versionId}
          onChange={choose}
          allowDeselect={false}
          required
        />
      ) : (
        <TextInput
          label={t.release.version}
          description={t.release.versionNewHint}
          value={wanted.version}
          onChange={(event) => onChange({ version: event.currentTarget.value.trim() })}
          required
        />
      )}
    </Stack>
  );
}
