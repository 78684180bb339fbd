/** The button above a list that begins a new one of what it lists. */
import { Plus } from "lucide-react";

import type { Allowed } from "@/session/permissions";

import { MayButton } from "./MayButton";

interface Props {
  /** What the API says about the action behind it; see usePermissions. */
  allowed: Allowed | undefined;
  /** Another reason why it cannot be done now. */
  reason?: string | undefined;
  onClick: () => void;
  children: string;
}

export function Add(props: Props) {
  return <MayButton leftSection={<Plus size={16} aria-hidden />} {...props} />;
}
