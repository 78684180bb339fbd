import { createFileRoute } from "@tanstack/react-router";

import { InstancesPage } from "@/instance/InstancesPage";

export const Route = createFileRoute("/_app/groups/$groupId/instances")({ component: Page });

function Page() {
  return <InstancesPage groupId={Route.useParams().groupId} />;
}
