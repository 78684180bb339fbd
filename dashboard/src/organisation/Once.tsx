/** Shows a new token this once. */
import { Alert, Button, Code, CopyButton, Group, Stack } from "@mantine/core";

import { t } from "@/texts";

const words = t.organisation.tokens;

export function Once({ token, onClose }: { token: string; onClose: () => void }) {
  return (
    <Stack>
      <Alert variant="outline">{words.once}</Alert>
      <Code block tabIndex={0} role="textbox" aria-readonly aria-label={words.token} className="pre">
        {token}
      </Code>
      <Group justify="flex-end">
        <CopyButton value={token}>
          {({ copied, copy }) => <Button onClick={copy}>{copied ? t.common.copied : t.common.copy}</Button>}
        </CopyButton>
        <Button variant="default" onClick={onClose}>
          {words.done}
        </Button>
      </Group>
    </Stack>
  );
}
