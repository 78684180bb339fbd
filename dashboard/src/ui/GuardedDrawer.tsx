/** A drawer for a form: whoever closes it, or leaves the page, with changes that are not saved is asked first. */
import { Drawer, type DrawerProps } from "@mantine/core";
import { type ReactNode, useState } from "react";

import { t } from "@/texts";

import { Confirm } from "./Confirm";
import { Unsaved } from "./Unsaved";

interface Props {
  opened: boolean;
  title: string;
  size?: DrawerProps["size"];
  changed: boolean;
  onClose: () => void;
  /** The form; `ask` closes as its own button Cancel does. */
  children: (ask: () => void) => ReactNode;
}

/** In a stack, because forms may open further drawers above this one, such as a plugin's. */
export function GuardedDrawer(props: Props) {
  return (
    <Drawer.Stack>
      <Guarded {...props} />
    </Drawer.Stack>
  );
}

function Guarded({ opened, title, size, changed, onClose, children }: Props) {
  const [leaving, setLeaving] = useState(false);
  const close = () => {
    setLeaving(false);
    onClose();
  };
  const ask = () => (changed ? setLeaving(true) : close());
  const wide = size === undefined ? {} : { size };
  return (
    <Drawer
      stackId="guarded"
      opened={opened}
      onClose={ask}
      title={title}
      closeButtonProps={{ "aria-label": t.common.close }}
      {...wide}
    >
      {children(ask)}
      <Unsaved changed={changed} />
      <Confirm
        opened={leaving}
        title={t.common.unsaved}
        verb={t.common.leave}
        onConfirm={close}
        onClose={() => setLeaving(false)}
      >
        {t.common.unsavedHint}
      </Confirm>
    </Drawer>
  );
}
