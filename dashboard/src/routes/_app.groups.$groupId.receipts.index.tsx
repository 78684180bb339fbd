import { createFileRoute } from "@tanstack/react-router";

import { ReceiptsPage } from "@/receipt/ReceiptsPage";
import { pageOf } from "@/ui/Pages";

export const Route = createFileRoute("/_app/groups/$groupId/receipts/")({
  validateSearch: (search): { page?: number | undefined } => ({ page: pageOf(search["page"]) }),
  component: Page,
});

function Page() {
  return <ReceiptsPage groupId={Route.useParams().groupId} page={Route.useSearch().page ?? 1} />;
}
