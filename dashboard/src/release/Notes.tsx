/** What is said of a version for who comes later: why, whom to ask, what to mind when going back. */
import { Group, Textarea, TextInput } from "@mantine/core";

import { t } from "@/texts";

import type { Said } from "./calls";

export function Notes({ value, onChange }: { value: Said; onChange: (part: Partial<Said>) => void }) {
  return (
    <>
      <Textarea
        label={t.release.note}
        description={t.release.noteHint}
        value={value.note}
        onChange={(event) => onChange({ note: event.currentTarget.value })}
        autosize
      />
      <Group grow>
        <TextInput
          label={t.release.owner}
          value={value.owner}
          onChange={(event) => onChange({ owner: event.currentTarget.value })}
        />
        <TextInput
          label={t.release.rollbackNote}
          value={value.rollbackNote}
          onChange={(event) => onChange({ rollbackNote: event.currentTarget.value })}
        />
      </Group>
    </>
  );
}
