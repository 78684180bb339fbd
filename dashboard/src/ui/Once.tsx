/** A secret that the API tells this once, to be copied. */
import { Alert, Button, Code, CopyButton, Group, Modal, Stack } from "@mantine/core";

import { t } from "@/texts";

interface Props {
  title: string;
  /** Nothing is shown without it. */
  secret: string | undefined;
  /** What to do with it. */
  said?: string;
  onClose: () => void;
}

export function Once({ title, secret, said, onClose }: Props) {
  return (
    <Modal
      opened={secret !== undefined}
      onClose={onClose}
      title={title}
      size="lg"
      closeOnClickOutside={false}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      <Stack>
        <Alert variant="outline">{[t.settings.once, said].filter(Boolean).join(" ")}</Alert>
        <Code block tabIndex={0} role="textbox" aria-readonly aria-label={title} className="pre" mah={320}>
          {secret}
        </Code>
        <Group justify="flex-end">
          <CopyButton value={secret ?? ""}>
            {({ copied, copy }) => <Button onClick={copy}>{copied ? t.common.copied : t.common.copy}</Button>}
          </CopyButton>
          <Button variant="default" onClick={onClose}>
            {t.settings.done}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
