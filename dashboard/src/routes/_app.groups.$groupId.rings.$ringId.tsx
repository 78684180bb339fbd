import { createFileRoute } from "@tanstack/react-router";

import { RingPage } from "@/ring/RingPage";

export const Route = createFileRoute("/_app/groups/$groupId/rings/$ringId")({
  validateSearch: (search): { service?: string | undefined } => ({
    service: typeof search["service"] === "string" ? search["service"] : undefined,
  }),
  component: Page,
});

function Page() {
  const { groupId, ringId } = Route.useParams();
  return <RingPage key={ringId} groupId={groupId} ringId={ringId} serviceId={Route.useSearch().service} />;
}
