/** Asks before something that cannot be taken back; the worst of it wants a word typed. */
import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";

import { t } from "@/texts";

import { ErrorNote } from "./ErrorNote";

interface Props {
  opened: boolean;
  title: string;
  children: ReactNode;
  /** What the button says: the deed itself, never "OK". */
  verb: string;
  /** What has to be typed first. */
  word?: string;
  color?: string;
  pending?: boolean;
  error?: Error | null;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm({ opened, title, children, verb, word, color = "red", pending, error, onConfirm, onClose }: Props) {
  const [typed, setTyped] = useState("");
  const close = () => {
    setTyped("");
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title={title} closeButtonProps={{ "aria-label": t.common.close }} centered>
      <Stack>
        {children}
        {word !== undefined && (
          <TextInput
            label={t.common.typeToConfirm(word)}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            data-autofocus
          />
        )}
        {error && <ErrorNote error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button color={color} loading={pending ?? false} disabled={word !== undefined && typed !== word} onClick={onConfirm}>
            {verb}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
