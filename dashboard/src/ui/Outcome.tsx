/** Whole pages for what is not there or broke. */
import { Button, Code, Group, Stack, Text, Title } from "@mantine/core";
import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";

import { ApiError } from "@/api/client";
import { t } from "@/texts";

import { ErrorNote } from "./ErrorNote";
import { GoButton } from "./Go";

export function Missing() {
  return (
    <Stack p="xl" align="flex-start">
      <Title order={1}>{t.common.notFound}</Title>
      <Text>{t.common.notFoundHint}</Text>
      <GoButton to="/">{t.common.home}</GoButton>
    </Stack>
  );
}

/** A page whose loading or drawing failed. What the API refused is told as such. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  if (error instanceof ApiError) {
    if (error.status === 404) return <Missing />;
    return <ErrorNote error={error} onRetry={() => void router.invalidate()} />;
  }
  return (
    <Stack p="xl" align="flex-start" role="alert">
      <Title order={1}>{t.common.broken}</Title>
      <Text>{t.common.brokenHint}</Text>
      <Code block>{error instanceof Error ? error.message : String(error)}</Code>
      <Group>
        <Button onClick={reset}>{t.common.again}</Button>
        <Button variant="default" onClick={() => window.location.reload()}>
          {t.common.reload}
        </Button>
      </Group>
    </Stack>
  );
}
