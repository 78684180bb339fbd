/** The name of a row's thing, and a word beside it for what is special about it. */
import { Badge, Group } from "@mantine/core";
import type { ReactNode } from "react";

/** `mark` is false where nothing is. */
export function Named({ mark, children }: { mark: string | false; children: ReactNode }) {
  return (
    <Group gap="xs">
      {children}
      {mark && <Mark>{mark}</Mark>}
    </Group>
  );
}

export function Mark({ children }: { children: string }) {
  return (
    <Badge variant="default" tt="none">
      {children}
    </Badge>
  );
}
