import { createFileRoute } from "@tanstack/react-router";

import { RingsPage } from "@/ring/RingsPage";
import { pageOf } from "@/ui/Pages";

export const Route = createFileRoute("/_app/groups/$groupId/rings/")({
  validateSearch: (search): { page?: number | undefined } => ({ page: pageOf(search["page"]) }),
  component: Page,
});

function Page() {
  return <RingsPage groupId={Route.useParams().groupId} page={Route.useSearch().page ?? 1} />;
}
