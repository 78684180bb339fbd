/** A part of a page under its own heading. */
import { Group, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  title: string;
  said?: string;
  actions?: ReactNode;
  children: ReactNode;
}

export function Section({ title, said, actions, children }: Props) {
  return (
    <Stack gap="xs" component="section" aria-label={title}>
      <Group justify="space-between">
        <Title order={2} size="h4" className="break">
          {title}
        </Title>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {said && (
        <Text size="sm" c="dimmed">
          {said}
        </Text>
      )}
      {children}
    </Stack>
  );
}
