import { createFileRoute } from "@tanstack/react-router";

import { ApprovalsPage } from "@/approval/ApprovalsPage";
import { approvalSearch } from "@/approval/search";

export const Route = createFileRoute("/_app/approvals/")({ validateSearch: approvalSearch, component: Page });

function Page() {
  return <ApprovalsPage search={Route.useSearch()} />;
}
