/** Promotes a ring or rolls it back, with a note for the history. */
import { Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { tellLive } from "@/ui/told";

import { type Ending, endRing, type Ring } from "./queries";

const WORDS = {
  promote: { title: t.ring.promoteTitle, verb: t.ring.promote, hint: t.ring.promoteHint, done: t.ring.promoted, color: "blue" },
  rollback: { title: t.ring.rollbackTitle, verb: t.ring.rollback, hint: t.ring.rollbackHint, done: t.ring.rolledBack, color: "red" },
} as const;

interface Props {
  ring: Ring;
  how: Ending | undefined;
  onClose: () => void;
}

export function EndRing({ ring, how, onClose }: Props) {
  // a new note each time it opens
  return how === undefined ? null : <Opened ring={ring} how={how} onClose={onClose} />;
}

function Opened({ ring, how, onClose }: Props & { how: Ending }) {
  const [note, setNote] = useState("");
  const queries = useQueryClient();
  const words = WORDS[how];
  const end = useMutation({
    mutationFn: () => endRing(ring, how, note),
    onSuccess: async ({ revision }) => {
      tellLive(words.done, ring.gateway_group_id, revision);
      onClose();
      await queries.invalidateQueries({ queryKey: ["group", ring.gateway_group_id] });
      await queries.invalidateQueries({ queryKey: ["matrix"] });
    },
  });
  return (
    <Confirm
      opened
      title={words.title}
      verb={words.verb}
      color={words.color}
      pending={end.isPending}
      error={end.error}
      onConfirm={() => end.mutate()}
      onClose={onClose}
    >
      <Stack>
        <Text size="sm">{words.hint}</Text>
        <Textarea
          label={t.ring.note}
          description={t.ring.noteHint}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
          autosize
          data-autofocus
        />
      </Stack>
    </Confirm>
  );
}
