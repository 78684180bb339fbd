/** A drawer for a form: whoever closes it, or leaves the page, with changes that are not saved is asked first. */
import { Drawer, type DrawerProps } from "@mantine/core";
import { memo, type ReactNode, useLayoutEffect, useState } from "react";

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
  const [said, setSaid] = useState(title);
  if (opened && title !== said) setSaid(title);
  useFocusBack(opened);
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
      title={said}
      closeButtonProps={{ "aria-label": t.common.close }}
      {...wide}
    >
      <Shown opened={opened} draw={() => children(ask)} />
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

/** The focus goes back to where it was, unless it went elsewhere by itself. The kit forgets that in a stack. */
function useFocusBack(opened: boolean): void {
  useLayoutEffect(() => {
    if (!opened) return undefined;
    const before = document.activeElement;
    return () => {
      const last = document.activeElement;
      setTimeout(() => {
        const now = document.activeElement;
        if (before instanceof HTMLElement && (now === last || now === document.body)) before.focus({ preventScroll: true });
      });
    };
  }, [opened]);
}

interface ShownProps {
  opened: boolean;
  draw: () => ReactNode;
}

/** What closes stays as it was: it is not drawn, nor asked for, anew with what its page no longer edits. */
const Shown = memo(
  function Shown({ draw }: ShownProps) {
    return draw();
  },
  (_, { opened }) => !opened,
);
