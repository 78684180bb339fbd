import { createFileRoute } from "@tanstack/react-router";

import { SettingsPage } from "@/group/settings/SettingsPage";

export const Route = createFileRoute("/_app/groups/$groupId/settings")({ component: Page });

function Page() {
  const { groupId } = Route.useParams();
  return <SettingsPage key={groupId} groupId={groupId} />;
}
