/** The button of a row that takes away what the row is about; it says why if that may not be done. */
import { ActionIcon } from "@mantine/core";
import { Trash2 } from "lucide-react";

import { type Allowed, may } from "@/session/permissions";
import { t } from "@/texts";

interface Props {
  /** What it does to what: "Delete route r1". */
  label: string;
  verb?: string;
  /** What the API says about the action behind it; see usePermissions. */
  allowed?: Allowed | undefined;
  /** Another reason why it cannot be done now. */
  reason?: string | undefined;
  onClick: () => void;
}

export function Remove({ label, verb = t.common.remove, allowed, reason, onClick }: Props) {
  const why = reason ?? may(allowed);
  return (
    <ActionIcon variant="default" aria-label={label} title={why ?? verb} disabled={why !== undefined} onClick={onClick}>
      <Trash2 size={16} aria-hidden />
    </ActionIcon>
  );
}
