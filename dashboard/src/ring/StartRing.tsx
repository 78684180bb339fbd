/** Has some instances of a gateway group serve another version of a service than the rest. */
import { Alert, Select, Stack, Textarea, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { servicesQuery } from "@/api/queries";
import type { PublishedService } from "@/api/shapes";
import { ReleaseModal } from "@/release/ReleaseModal";
import { t } from "@/texts";

import { type Rule, type Share, trialPlan, versionNamesQuery } from "./queries";
import { RuleFields } from "./RuleFields";
import { ShareFields } from "./ShareFields";
import { useStartRing } from "./starting";

interface Props {
  groupId: string;
  /** The service to try; without it the user chooses one of the gateway group's. */
  service?: PublishedService;
  opened: boolean;
  onClose: () => void;
}

interface Wanted {
  serviceId: string;
  version: string;
  share: Share;
  rule: Rule | undefined;
  note: string;
}

export function StartRing(props: Props) {
  // a new order each time it opens
  return props.opened ? <Opened {...props} /> : null;
}

function Opened({ groupId, service, onClose }: Props) {
  const [wanted, setWanted] = useState<Wanted>({
    serviceId: service?.id ?? "",
    version: "",
    share: { percent: 10 },
    rule: undefined,
    note: "",
  });
  const start = useStartRing();
  const trial = {
    services: [{ service_id: wanted.serviceId, version: wanted.version }],
    share: wanted.share,
    ...(wanted.rule ? { rule: wanted.rule } : {}),
    note: wanted.note,
  };
  return (
    <ReleaseModal
      opened
      title={t.ring.startTitle}
      verb={t.ring.doStart}
      form={<Fields groupId={groupId} service={service} wanted={wanted} onChange={setWanted} />}
      preview={() => trialPlan(groupId, trial)}
      release={() => start(groupId, trial)}
      onClose={onClose}
    />
  );
}

interface FieldsProps {
  groupId: string;
  service: PublishedService | undefined;
  wanted: Wanted;
  onChange: (wanted: Wanted) => void;
}

function Fields({ groupId, service, wanted, onChange }: FieldsProps) {
  const services = useQuery({ ...servicesQuery(groupId), enabled: service === undefined }).data ?? [];
  const chosen = service ?? services.find(({ id }) => id === wanted.serviceId);
  const versions = useQuery(versionNamesQuery(wanted.serviceId));
  const others = (versions.data ?? []).filter((version) => version !== chosen?.version);
  const change = (part: Partial<Wanted>) => onChange({ ...wanted, ...part });
  return (
    <Stack>
      {!service && (
        <Select
          label={t.ring.service}
          data={services.map(({ id, name }) => ({ value: id, label: name }))}
          value={wanted.serviceId || null}
          onChange={(serviceId) => change({ serviceId: serviceId ?? "", version: "" })}
          searchable
          required
          data-autofocus
        />
      )}
      <Select
        label={t.ring.version}
        description={t.ring.versionHint}
        data={others}
        value={wanted.version || null}
        onChange={(version) => change({ version: version ?? "" })}
        nothingFoundMessage={t.ring.noVersions}
        disabled={wanted.serviceId === ""}
        searchable
        required
      />
      {versions.data && others.length === 0 && (
        <Alert variant="outline" color="orange">
          {t.ring.noVersions}
        </Alert>
      )}
      <Title order={3} size="h6">
        {t.ring.share}
      </Title>
      <ShareFields share={wanted.share} onChange={(share) => change({ share })} />
      <RuleFields rule={wanted.rule} onChange={(rule) => change({ rule })} />
      <Textarea
        label={t.ring.note}
        description={t.ring.noteHint}
        value={wanted.note}
        onChange={(event) => change({ note: event.currentTarget.value })}
        autosize
      />
    </Stack>
  );
}
