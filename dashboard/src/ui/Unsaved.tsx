/** Keeps a user from losing what was typed: asks before another page, a closed tab or a reload. */
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useBlocker } from "@tanstack/react-router";

import { t } from "@/texts";

export function Unsaved({ changed }: { changed: boolean }) {
  const { status, proceed, reset } = useBlocker({
    shouldBlockFn: ({ current, next }) => changed && current.pathname !== next.pathname,
    enableBeforeUnload: () => changed,
    withResolver: true,
  });
  return (
    <Modal opened={status === "blocked"} onClose={() => reset?.()} title={t.common.unsaved} withCloseButton={false} centered>
      <Stack>
        <Text>{t.common.unsavedHint}</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => reset?.()} data-autofocus>
            {t.common.stay}
          </Button>
          <Button color="red" onClick={() => proceed?.()}>
            {t.common.leave}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
