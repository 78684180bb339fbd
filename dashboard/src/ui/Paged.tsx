/** A list that the API gives page by page: its rows, and the way to the other pages. */
import { Stack } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { Loaded } from "./Loaded";
import { Pages } from "./Pages";

interface Props<T> {
  query: UseQueryResult<{ list: T[]; total: number }>;
  lines?: number;
  /** What is shown where there is nothing yet. */
  empty: ReactNode;
  words: { pages: string; total: (count: number) => string };
  size: number;
  page: number;
  /** The page to go to; undefined for the first, which an address does not name. */
  onPage: (page: number | undefined) => void;
  children: (list: T[]) => ReactNode;
}

export function Paged<T>({ query, lines = 4, empty, words, size, page, onPage, children }: Props<T>) {
  return (
    <Loaded query={query} lines={lines}>
      {({ list, total }) =>
        total === 0 ? (
          empty
        ) : (
          <Stack gap="xs">
            {children(list)}
            <Pages
              label={words.pages}
              said={words.total(total)}
              total={total}
              size={size}
              page={page}
              onPage={(next) => onPage(next > 1 ? next : undefined)}
            />
          </Stack>
        )
      }
    </Loaded>
  );
}
