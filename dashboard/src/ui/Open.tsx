/** The name of a row's thing as a link that opens it at the side. */
import { Anchor } from "@mantine/core";

interface Props {
  /** What it opens, if the name alone does not say so. */
  label?: string;
  onClick: () => void;
  children: string;
}

export function Open({ label, onClick, children }: Props) {
  return (
    <Anchor component="button" type="button" inherit ta="start" className="break" aria-label={label} onClick={onClick}>
      {children}
    </Anchor>
  );
}
