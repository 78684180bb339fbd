import { createFileRoute } from "@tanstack/react-router";

import { AuditPage } from "@/organisation/AuditPage";
import { auditSearch } from "@/organisation/search";

export const Route = createFileRoute("/_app/audit")({ validateSearch: auditSearch, component: Page });

function Page() {
  return <AuditPage search={Route.useSearch()} />;
}
