import { createFileRoute } from "@tanstack/react-router";

import { GroupPage } from "@/group/GroupPage";

export const Route = createFileRoute("/_app/groups/$groupId/")({ component: Page });

function Page() {
  return <GroupPage groupId={Route.useParams().groupId} />;
}
