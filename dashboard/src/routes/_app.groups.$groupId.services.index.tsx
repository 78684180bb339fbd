import { createFileRoute } from "@tanstack/react-router";

import { ServicesPage } from "@/service/ServicesPage";

export const Route = createFileRoute("/_app/groups/$groupId/services/")({ component: Page });

function Page() {
  return <ServicesPage groupId={Route.useParams().groupId} />;
}
