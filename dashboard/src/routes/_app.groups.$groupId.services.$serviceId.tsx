import { createFileRoute } from "@tanstack/react-router";

import { ServicePage } from "@/service/ServicePage";

export const Route = createFileRoute("/_app/groups/$groupId/services/$serviceId")({ component: Page });

function Page() {
  return <ServicePage {...Route.useParams()} />;
}
