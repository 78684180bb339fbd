import { createFileRoute } from "@tanstack/react-router";

import { ServicesPage } from "@/service/ServicesPage";

export const Route = createFileRoute("/_app/groups/$groupId/services/")({
  validateSearch: (search): { add?: true | undefined } => ({ add: search["add"] === true ? true : undefined }),
  component: Page,
});

function Page() {
  return <ServicesPage groupId={Route.useParams().groupId} adding={Route.useSearch().add ?? false} />;
}
