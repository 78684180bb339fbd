import { createFileRoute } from "@tanstack/react-router";

import { NewPolicyPage, PolicyPage } from "@/access/PolicyPage";

export const Route = createFileRoute("/_app/policies/$policyId")({ component: Page });

function Page() {
  const { policyId } = Route.useParams();
  return policyId === "new" ? <NewPolicyPage /> : <PolicyPage key={policyId} policyId={policyId} />;
}
