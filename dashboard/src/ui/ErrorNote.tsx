/** What went wrong, where the user looks: the API's words, the field it names, and what can be done. */
import { Alert, Button, Code, List, Stack, Text } from "@mantine/core";
import { CircleAlert } from "lucide-react";

import { ApiError } from "@/api/client";
import { t } from "@/texts";

import { Go } from "./Go";

interface Part {
  resource_type?: string;
  resource_id?: string;
  /** Where in the document that was sent. */
  pointer?: string;
  error: string;
}

export function ErrorNote({ error, onRetry }: { error: Error; onRetry?: (() => void) | undefined }) {
  const refused = error instanceof ApiError ? error : undefined;
  const title = refused?.status === 403 ? t.common.denied : refused?.status === 0 ? t.common.unreachable : t.common.failed;
  const parts = (refused?.body["errors"] as Part[] | undefined) ?? [];
  // each says its own place: the sentence of all of them together says nothing more
  const placed = parts.some((part) => part.pointer !== undefined);
  return (
    <Alert color="red" variant="outline" icon={<CircleAlert aria-hidden />} title={title} role="alert">
      <Stack gap="xs" align="flex-start">
        {!placed && refused?.pointer && (
          <Text size="sm">
            <Code>{t.common.field(refused.pointer)}</Code>
          </Text>
        )}
        {!placed && (
          <Text size="sm" className="pre">
            {refused?.reason ?? error.message}
          </Text>
        )}
        {refused?.status === 403 && refused.reason.includes("is not allowed to do [") && (
          <Go to="/why" search={{ refusal: refused.reason }} size="sm">
            {t.access.why.link}
          </Go>
        )}
        {parts.length > 0 && (
          <List size="sm">
            {parts.map((part, index) => (
              <List.Item key={index}>
                {part.pointer && <Code className="break">{t.common.field(part.pointer)}</Code>}{" "}
                {[part.resource_type, part.resource_id].filter(Boolean).join(" ")} {part.error}
              </List.Item>
            ))}
          </List>
        )}
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            {t.common.again}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** What the API says about this field of the body, or nothing: for the input's own error. */
export function fieldError(error: Error | null, pointer: string): string | undefined {
  return error instanceof ApiError && error.pointer === pointer ? error.reason : undefined;
}
