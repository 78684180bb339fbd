/** How receipts and their lines look. */
import type { Look } from "@/ui/State";

import type { Line, Summary } from "./queries";

export const LOOK: Readonly<Record<Line["state"], Look>> = { live: "good", pending: "waiting", rejected: "bad" };

export function lookOf({ rejected, converged, total }: Summary): Look {
  if (rejected > 0) return "bad";
  if (total === 0) return "plain";
  return converged ? "good" : "waiting";
}
