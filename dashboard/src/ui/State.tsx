/** A state as colour, sign and word: nobody has to tell colours apart. */
import { Badge } from "@mantine/core";
import { CircleCheck, CircleDashed, CircleX, Info, TriangleAlert } from "lucide-react";

const LOOKS = {
  good: { color: "green", Icon: CircleCheck },
  waiting: { color: "blue", Icon: CircleDashed },
  warning: { color: "orange", Icon: TriangleAlert },
  bad: { color: "red", Icon: CircleX },
  plain: { color: "gray", Icon: Info },
} as const;

export type Look = keyof typeof LOOKS;

export function State({ look, children }: { look: Look; children: string }) {
  const { color, Icon } = LOOKS[look];
  const sign = <Icon size={13} aria-hidden color={`var(--mantine-color-${color}-6)`} />;
  return (
    <Badge variant="default" tt="none" fw={500} leftSection={sign} bd={`1px solid var(--mantine-color-${color}-6)`}>
      {children}
    </Badge>
  );
}
