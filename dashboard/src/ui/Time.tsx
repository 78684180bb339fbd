/** A moment, as long ago as it is; the exact one on pointing at it. */
import { Tooltip } from "@mantine/core";

import { t } from "@/texts";

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Unix seconds as words: "5 min. ago", "in 30 days". */
export function ago(seconds: number, now = Date.now() / 1000): string {
  const away = seconds - now;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(away) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(away / size), unit);
}

export function Time({ at }: { at: number | undefined | null }) {
  if (!at) return t.common.never;
  const moment = new Date(at * 1000);
  return (
    <Tooltip label={exact.format(moment)}>
      <time dateTime={moment.toISOString()}>{ago(at)}</time>
    </Tooltip>
  );
}
