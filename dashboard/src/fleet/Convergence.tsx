/** Whether a group's newest configuration is live on all of its instances. */
import { t } from "@/texts";
import { State } from "@/ui/State";

import type { Standing } from "./standing";

export function Convergence({ standing }: { standing: Standing }) {
  if (standing.rejected > 0) return <State look="bad">{t.fleet.rejected(standing.rejected)}</State>;
  if (standing.counted === 0) return <State look="plain">{t.fleet.noInstances}</State>;
  if (standing.live < standing.counted) {
    return <State look="warning">{t.fleet.notConverged(standing.live, standing.counted)}</State>;
  }
  return <State look="good">{t.fleet.converged}</State>;
}

