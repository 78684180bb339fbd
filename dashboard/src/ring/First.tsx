/** Whether a release comes to every instance at once, or to a share of them first. */
import { Input, SegmentedControl, Stack } from "@mantine/core";

import { t } from "@/texts";

import type { Share } from "./queries";
import { ShareFields } from "./ShareFields";

interface Props {
  /** Null: all at once. */
  share: Share | null;
  /** What is missing for a ring; empty: nothing. */
  hint: string;
  onChange: (share: Share | null) => void;
}

export function First({ share, hint, onChange }: Props) {
  const possible = hint === "";
  const some = share !== null && possible;
  return (
    <Stack gap="xs">
      <Input.Wrapper label={t.ring.first} description={hint}>
        <SegmentedControl
          aria-label={t.ring.first}
          data={[
            { value: "all", label: t.ring.firstAll },
            { value: "some", label: t.ring.firstSome, disabled: !possible },
          ]}
          value={some ? "some" : "all"}
          onChange={(who) => onChange(who === "some" ? { percent: 10 } : null)}
          w="fit-content"
          mt={4}
          display="flex"
          className="fits"
        />
      </Input.Wrapper>
      {some && <ShareFields share={share} onChange={onChange} />}
    </Stack>
  );
}
