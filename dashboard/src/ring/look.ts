/** How the states of rings look. */
import type { Look } from "@/ui/State";

import type { Ring } from "./queries";

export const LOOK: Readonly<Record<Ring["state"], Look>> = { running: "waiting", promoted: "good", rolled_back: "warning" };
