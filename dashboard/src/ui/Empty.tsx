/** In the place of a list that has nothing in it: what would be there, and how to begin. */
import { Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

export function Empty({ title, said, children }: { title: string; said: string; children?: ReactNode }) {
  return (
    <Paper withBorder p="xl">
      <Stack align="center" gap="xs">
        <Title order={2} size="h4" ta="center">
          {title}
        </Title>
        <Text c="dimmed" maw={560} ta="center">
          {said}
        </Text>
        {children}
      </Stack>
    </Paper>
  );
}
