/** Tries a request against a gateway group: which route answers it, and which plugins. */
import { SimpleGrid, Stack } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { t } from "@/texts";
import { Empty } from "@/ui/Empty";
import { ErrorNote } from "@/ui/ErrorNote";
import { Waiting } from "@/ui/Loaded";
import { Page } from "@/ui/Page";

import { tryRequest, type Wanted } from "./queries";
import type { TesterSearch } from "./search";
import { TestedRequest } from "./TestedRequest";
import { TesterForm } from "./TesterForm";

const words = t.tester;

interface Props {
  groupId: string;
  search: TesterSearch;
  onChange: (search: TesterSearch) => void;
  crumbs: ReactNode;
}

export function TesterPage({ groupId, search, onChange, crumbs }: Props) {
  const attempt = useMutation({ mutationFn: (wanted: Wanted) => tryRequest(groupId, wanted) });
  const send = (wanted: Wanted) => {
    const { method, scheme, host, path, instance } = wanted;
    onChange({ method, scheme, host, path, instance: instance || undefined });
    attempt.mutate(wanted);
  };
  return (
    <Page title={words.title} said={words.hint} crumbs={crumbs}>
      <SimpleGrid type="container" cols={{ base: 1, "900px": 2 }} spacing="xl">
        <TesterForm groupId={groupId} search={search} error={attempt.error} pending={attempt.isPending} onSend={send} />
        <Stack aria-live="polite">
          {attempt.error ? (
            <ErrorNote error={attempt.error} />
          ) : attempt.isPending ? (
            <Waiting lines={6} />
          ) : attempt.data ? (
            <TestedRequest groupId={groupId} tested={attempt.data} />
          ) : (
            <Empty title={words.empty} said={words.emptyHint} />
          )}
        </Stack>
      </SimpleGrid>
    </Page>
  );
}
