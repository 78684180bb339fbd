/** Approves a request or rejects it, with a note. */
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
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

export function Decide({ approval, how, onDone, onClose }: Props) {
  const words = WORDS[how ?? "approve"];
  return (
    <Deed
      to={how}
      title={() => words.title}
      verb={words.verb}
      color={words.color}
      hint={() => words.hint}
      note={{ label: t.approval.note, hint: t.approval.noteHint }}
      act={(decision, note) => decide(approval.id, decision, note)}
      tell={(_, done) => {
        tell(words.done);
        onDone(done);
      }}
      stale={["approval"]}
      elsewhere={[["approvals"], ["group"], ["matrix"]]}
      onClose={onClose}
    />
  );
}
