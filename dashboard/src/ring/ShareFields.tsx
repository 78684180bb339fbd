/** Which part of a gateway group's instances serves a version first. */
import { NumberInput, SegmentedControl, Stack } from "@mantine/core";

import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { LabelsInput } from "@/ui/Labels";

import type { Share } from "./queries";

const KINDS = ["percent", "count", "labels"] as const;
type Kind = (typeof KINDS)[number];
const FRESH: Readonly<Record<Kind, Share>> = { percent: { percent: 10 }, count: { count: 1 }, labels: { labels: {} } };

interface Props {
  share: Share;
  error?: Error | null;
  onChange: (share: Share) => void;
}

export function ShareFields({ share, error = null, onChange }: Props) {
  const kind = KINDS.find((each) => share[each] !== undefined) ?? "percent";
  return (
    <Stack gap="xs">
      <SegmentedControl
        aria-label={t.ring.share}
        data={KINDS.map((value) => ({ value, label: t.ring.shares[value] }))}
        value={kind}
        onChange={(chosen: Kind) => onChange(FRESH[chosen])}
        w="fit-content"
        className="fits"
      />
      {kind === "percent" && (
        <NumberInput
          label={t.ring.percent}
          description={t.ring.percentHint}
          value={share.percent ?? ""}
          onChange={(value) => onChange({ percent: Number(value) })}
          error={fieldError(error, "/share/percent")}
          min={1}
          max={100}
          required
          maw={260}
        />
      )}
      {kind === "count" && (
        <NumberInput
          label={t.ring.count}
          value={share.count ?? ""}
          onChange={(value) => onChange({ count: Number(value) })}
          error={fieldError(error, "/share/count")}
          min={1}
          allowDecimal={false}
          required
          maw={260}
        />
      )}
      {kind === "labels" && (
        <LabelsInput
          label={t.ring.labels}
          description={t.ring.labelsHint}
          value={share.labels ?? {}}
          onChange={(labels) => onChange({ labels })}
          error={fieldError(error, "/share")}
        />
      )}
    </Stack>
  );
}
