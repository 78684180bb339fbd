/** When something ends, with a warning when that is soon or over. */
import { Group } from "@mantine/core";
import { useState } from "react";

import { t } from "@/texts";

import { State } from "./State";
import { Time } from "./Time";

const DAY = 86_400;

interface Props {
  /** Unix seconds. */
  at: number;
  /** How many days ahead is soon. */
  soon: number;
}

export function Expiry({ at, soon }: Props) {
  const [now] = useState(() => Date.now() / 1000);
  const left = at - now;
  return (
    <Group gap="xs">
      <Time at={at} />
      {left < soon * DAY && <State look={left < 0 ? "bad" : "warning"}>{left < 0 ? t.kind.ended : t.kind.endsSoon}</State>}
    </Group>
  );
}
