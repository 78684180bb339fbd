/** A part of a page that not everybody may read: in its place, why not. */
import { Text } from "@mantine/core";
import type { ReactNode } from "react";

import { type Allowed, may } from "@/session/permissions";

import { Waiting } from "./Loaded";

export function Permitted({ allowed, children }: { allowed: Allowed | undefined; children: ReactNode }) {
  const why = may(allowed);
  if (why) {
    return (
      <Text size="sm" c="dimmed" className="break">
        {why}
      </Text>
    );
  }
  return allowed === undefined ? <Waiting lines={2} /> : children;
}
