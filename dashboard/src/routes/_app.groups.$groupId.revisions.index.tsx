import { createFileRoute } from "@tanstack/react-router";

import { RevisionsPage } from "@/revision/RevisionsPage";
import { pageOf } from "@/ui/Pages";

export const Route = createFileRoute("/_app/groups/$groupId/revisions/")({
  validateSearch: (search): { page?: number | undefined } => ({ page: pageOf(search["page"]) }),
  component: Page,
});

function Page() {
  return <RevisionsPage groupId={Route.useParams().groupId} page={Route.useSearch().page ?? 1} />;
}
