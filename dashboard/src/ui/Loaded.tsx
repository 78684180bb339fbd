/** Shows a query: a skeleton first, then what came or what went wrong. */
import { Skeleton, Stack, VisuallyHidden } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { t } from "@/texts";

import { ErrorNote } from "./ErrorNote";

interface Props<T> {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
  lines?: number;
}

export function Loaded<T>({ query, children, lines = 4 }: Props<T>) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} />;
  return <Waiting lines={lines} />;
}

/** Grey lines in the place of what is being loaded. */
export function Waiting({ lines = 4 }: { lines?: number }) {
  return (
    <Stack role="status">
      <VisuallyHidden>{t.common.loading}</VisuallyHidden>
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} height={28} radius="sm" />
      ))}
    </Stack>
  );
}
