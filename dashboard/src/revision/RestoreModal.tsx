/** Has a gateway group hold again what it held at a revision: the difference first, then the receipt. */
import { Stack, Text, Textarea } from "@mantine/core";
import { useState } from "react";

import { ReleaseModal } from "@/release/ReleaseModal";
import { t } from "@/texts";

import { restoreNow, restorePlan } from "./queries";

interface Props {
  groupId: string;
  /** The revision to go back to; nothing is asked without one. */
  revision: number | undefined;
  onClose: () => void;
}

export function RestoreModal({ groupId, revision, onClose }: Props) {
  // a new order each time it opens
  return revision === undefined ? null : <Opened groupId={groupId} revision={revision} onClose={onClose} />;
}

function Opened({ groupId, revision, onClose }: Props & { revision: number }) {
  const [note, setNote] = useState("");
  const form = (
    <Stack>
      <Text size="sm">{t.revision.restoreHint}</Text>
      <Textarea
        label={t.release.note}
        description={t.release.noteHint}
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
        maxLength={1024}
        autosize
        data-autofocus
      />
    </Stack>
  );
  return (
    <ReleaseModal
      opened
      title={t.revision.restoreTitle(revision)}
      verb={t.revision.doRestore}
      form={form}
      preview={() => restorePlan(groupId, revision, note)}
      release={() => restoreNow(groupId, revision, note)}
      onClose={onClose}
    />
  );
}
