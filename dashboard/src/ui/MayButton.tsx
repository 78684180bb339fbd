/** A button for what not everybody may do: it stays where it is, says why it does nothing, and can be reached by keys. */
import { Button, type ButtonProps, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";

import { type Allowed, may } from "@/session/permissions";

interface Props extends ButtonProps {
  /** What the API says about the action behind it; see usePermissions. */
  allowed: Allowed | undefined;
  /** Another reason why it cannot be done now. */
  reason?: string | undefined;
  type?: "button" | "submit";
  onClick?: () => void;
  children: ReactNode;
}

export function MayButton({ allowed, reason, onClick, children, type = "button", ...rest }: Props) {
  const why = reason ?? may(allowed);
  if (!why) {
    return (
      <Button type={type} onClick={onClick} {...rest}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={why} events={{ hover: true, focus: true, touch: true }}>
      <Button type="button" {...rest} data-disabled aria-disabled aria-description={why} onClick={(event) => event.preventDefault()}>
        {children}
      </Button>
    </Tooltip>
  );
}
