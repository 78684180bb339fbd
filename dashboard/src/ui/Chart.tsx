/** A chart, loaded when it is first needed. */
import { lazy, Suspense } from "react";

import type { ChartProps } from "./chart/Drawn";
import { Waiting } from "./Loaded";

const Drawn = lazy(async () => ({ default: (await import("./chart/Drawn")).Drawn }));

export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<Waiting lines={5} />}>
      <Drawn {...props} />
    </Suspense>
  );
}
