/** The one card in the middle of a page for who has no session yet. */
import { Center, Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

import { t } from "@/texts";
import { useTitle } from "@/ui/useTitle";

export function Card({ title, said, children }: { title: string; said?: string | undefined; children: ReactNode }) {
  useTitle(title);
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder shadow="sm" p="xl" w={400}>
        <Stack>
          <Text fw={700} c="dimmed">
            {t.common.product}
          </Text>
          <Title order={1} size="h2">
            {title}
          </Title>
          {said && <Text size="sm">{said}</Text>}
          {children}
        </Stack>
      </Paper>
    </Center>
  );
}
