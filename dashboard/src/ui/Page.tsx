/** The frame of a page: where one is, its heading, what can be done with the whole of it. */
import { Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

import { useTitle } from "./useTitle";

interface Props {
  title: string;
  /** What stands beside the heading, for example a badge. */
  mark?: ReactNode;
  said?: string | undefined;
  /** Links to what is above this page. */
  crumbs?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, mark, said, crumbs, actions, children }: Props) {
  useTitle(title);
  return (
    <Stack gap="md">
      {crumbs && <Breadcrumbs>{crumbs}</Breadcrumbs>}
      <Group justify="space-between" align="flex-start">
        <Stack gap={2} flex="1 1 300px">
          <Group gap="sm">
            <Title order={1} size="h2" className="break">
              {title}
            </Title>
            {mark}
          </Group>
          {said && (
            <Text c="dimmed" size="sm">
              {said}
            </Text>
          )}
        </Stack>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
