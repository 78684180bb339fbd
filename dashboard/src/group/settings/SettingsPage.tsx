/** The settings of a gateway group, part by part. */
import { Stack } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";

import { groupQuery } from "@/api/queries";
import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { Page } from "@/ui/Page";

import { AdminKey } from "./AdminKey";
import { Certificates } from "./Certificates";
import { CopyKeys } from "./CopyKeys";
import { DeleteGroup } from "./DeleteGroup";
import { General } from "./General";
import { Tokens } from "./Tokens";

export function SettingsPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  return (
    <Page
      title={t.settings.title}
      said={t.settings.hint}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
    >
      <Stack gap="xl">
        <General group={group} />
        <AdminKey groupId={groupId} />
        <Tokens groupId={groupId} />
        <Certificates groupId={groupId} />
        <CopyKeys groupId={groupId} />
        <DeleteGroup group={group} />
      </Stack>
    </Page>
  );
}
