/** Has a gateway group go back to a version it once ran. */
import { Select, Stack, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Plan, PublishedService, Released } from "@/api/shapes";
import { versionsQuery } from "@/service/queries";
import { t } from "@/texts";

import { rollback } from "./calls";
import { ReleaseModal } from "./ReleaseModal";

interface Props {
  groupId: string;
  service: PublishedService;
  /** The version to begin with; without it the user chooses. */
  version?: string | undefined;
  opened: boolean;
  onClose: () => void;
}

export function RollbackModal(props: Props) {
  return props.opened ? <Opened {...props} /> : null;
}

function Opened({ groupId, service, version, opened, onClose }: Props) {
  const [wanted, setWanted] = useState({ version: version ?? "", note: "" });
  const versions = (useQuery(versionsQuery(groupId, service.id)).data ?? []).filter((each) => !each.running);
  const where = { groupId, serviceId: service.id };
  const form = (
    <Stack>
      <Select
        label={t.release.toVersion}
        data={versions.map((each) => each.version)}
        value={wanted.version || null}
        onChange={(chosen) => setWanted({ ...wanted, version: chosen ?? "" })}
        nothingFoundMessage={t.service.noVersions}
        required
        data-autofocus
      />
      <Textarea
        label={t.release.note}
        description={t.release.noteHint}
        value={wanted.note}
        onChange={(event) => setWanted({ ...wanted, note: event.currentTarget.value })}
        autosize
      />
    </Stack>
  );
  return (
    <ReleaseModal
      opened={opened}
      title={t.release.rollbackTitle(service.name)}
      verb={t.release.doRollback}
      form={form}
      preview={() => rollback<Plan>(where, wanted, true)}
      release={() => rollback<Released>(where, wanted, false)}
      onClose={onClose}
    />
  );
}
