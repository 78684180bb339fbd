/** How the states of approvals look. */
import type { Look } from "@/ui/State";

import type { Approval } from "./queries";

export const LOOK: Readonly<Record<Approval["state"], Look>> = {
  pending: "waiting",
  approved: "good",
  rejected: "bad",
  expired: "plain",
};
