import { createFileRoute } from "@tanstack/react-router";

import { ConfigurationPage } from "@/configuration/ConfigurationPage";

export const Route = createFileRoute("/_app/groups/$groupId/configuration")({ component: Page });

function Page() {
  return <ConfigurationPage groupId={Route.useParams().groupId} />;
}
