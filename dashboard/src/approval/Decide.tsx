/** Approves a request or rejects it, with a note. */
import { Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { tell } from "@/ui/told";

import { type Approval, type Decided, decide } from "./queries";

const WORDS = {
  approve: {
    title: t.approval.approveTitle,
    verb: t.approval.approve,
    hint: t.approval.approveHint,
    done: t.approval.approved,
    color: "blue",
  },
  reject: {
    title: t.approval.rejectTitle,
    verb: t.approval.reject,
    hint: t.approval.rejectHint,
    done: t.approval.rejected,
    color: "red",
  },
} as const;

interface Props {
  approval: Approval;
  how: keyof typeof WORDS | undefined;
  onDone: (done: Decided) => void;
  onClose: () => void;
}

export function Decide(props: Props) {
  // a new note each time it opens
  return props.how === undefined ? null : <Opened {...props} how={props.how} />;
}

function Opened({ approval, how, onDone, onClose }: Props & { how: keyof typeof WORDS }) {
  const [note, setNote] = useState("");
  const queries = useQueryClient();
  const words = WORDS[how];
  const deed = useMutation({
    mutationFn: () => decide(approval.id, how, note),
    onSuccess: async (done) => {
      tell(words.done);
      onDone(done);
      onClose();
      for (const stale of ["approval", "approvals", "group", "matrix"]) {
        await queries.invalidateQueries({ queryKey: [stale] });
      }
    },
  });
  return (
    <Confirm
      opened
      title={words.title}
      verb={words.verb}
      color={words.color}
      pending={deed.isPending}
      error={deed.error}
      onConfirm={() => deed.mutate()}
      onClose={onClose}
    >
      <Stack>
        <Text size="sm">{words.hint}</Text>
        <Textarea
          label={t.approval.note}
          description={t.approval.noteHint}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
          autosize
          data-autofocus
        />
      </Stack>
    </Confirm>
  );
}
