/** Promotes a ring or rolls it back, with a note for the history. */
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
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
  const words = WORDS[how ?? "promote"];
  return (
    <Deed
      to={how}
      title={() => words.title}
      verb={words.verb}
      color={words.color}
      hint={() => words.hint}
      note={{ label: t.ring.note, hint: t.ring.noteHint }}
      act={(ending, note) => endRing(ring, ending, note)}
      tell={(_, { revision }) => tellLive(words.done, ring.gateway_group_id, revision)}
      stale={["group", ring.gateway_group_id]}
      elsewhere={[["matrix"]]}
      onClose={onClose}
    />
  );
}
