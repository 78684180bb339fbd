import { createFileRoute } from "@tanstack/react-router";

import { RegistryPage } from "@/registry/RegistryPage";

export const Route = createFileRoute("/_app/groups/$groupId/service_registries/$registryId")({ component: Page });

function Page() {
  const { groupId, registryId } = Route.useParams();
  return <RegistryPage key={registryId} groupId={groupId} registryId={registryId} />;
}
