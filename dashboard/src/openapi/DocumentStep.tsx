/** First an OpenAPI document: pasted, typed, or from a file. */
import { Button, FileButton, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Upload } from "lucide-react";
import { type SubmitEvent, useState } from "react";

import { t } from "@/texts";
import { CodeEditor } from "@/ui/CodeEditor";
import { ErrorNote } from "@/ui/ErrorNote";

import { convert, type Preview } from "./calls";
import { EXAMPLE } from "./example";

const words = t.openapi;
/** What the API takes, in MiB. */
const MOST = 4;

interface Props {
  text: string;
  onChange: (text: string) => void;
  onPreview: (preview: Preview) => void;
}

export function DocumentStep({ text, onChange, onPreview }: Props) {
  const [tooLarge, setTooLarge] = useState(false);
  const ask = useMutation({ mutationFn: () => convert(text), onSuccess: onPreview });
  const take = (file: File | null) => {
    if (!file) return;
    setTooLarge(file.size > MOST << 20);
    if (file.size <= MOST << 20) void file.text().then(onChange);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    ask.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Group gap="xs">
          <FileButton onChange={take} accept=".json,.yaml,.yml,application/json,application/yaml">
            {(props) => (
              <Button variant="default" leftSection={<Upload size={16} aria-hidden />} {...props}>
                {words.upload}
              </Button>
            )}
          </FileButton>
          <Button variant="subtle" onClick={() => onChange(EXAMPLE)}>
            {words.example}
          </Button>
        </Group>
        {tooLarge && (
          <Text size="sm" c="var(--mantine-color-error)" role="alert">
            {words.tooLarge(MOST)}
          </Text>
        )}
        <CodeEditor
          label={words.document}
          value={text}
          language={text.trimStart().startsWith("{") ? "json" : "yaml"}
          height="52vh"
          onChange={onChange}
        />
        {ask.error && <ErrorNote error={ask.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={ask.isPending} disabled={text.trim() === ""}>
            {words.preview}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
