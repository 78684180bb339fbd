/** A gateway group at a glance. */
import { useSuspenseQuery } from "@tanstack/react-query";

import { groupQuery } from "@/api/queries";
import { Page } from "@/ui/Page";

export function GroupPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  return <Page title={group.name}>{null}</Page>;
}
