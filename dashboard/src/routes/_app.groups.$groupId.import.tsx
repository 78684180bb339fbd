import { createFileRoute } from "@tanstack/react-router";

import { ImportServicePage } from "@/openapi/ImportServicePage";

export const Route = createFileRoute("/_app/groups/$groupId/import")({ component: Page });

function Page() {
  return <ImportServicePage groupId={Route.useParams().groupId} />;
}
