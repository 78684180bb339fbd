import { useSuspenseQuery } from "@tanstack/react-query";
import { createFileRoute } from "@tanstack/react-router";

import { groupQuery } from "@/api/queries";
import { MonitoringPage } from "@/monitoring/MonitoringPage";
import { monitoringSearch } from "@/monitoring/search";
import { Go } from "@/ui/Go";

export const Route = createFileRoute("/_app/groups/$groupId/monitoring")({
  validateSearch: monitoringSearch,
  component: Page,
});

function Page() {
  const { groupId } = Route.useParams();
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const navigate = Route.useNavigate();
  return (
    <MonitoringPage
      groupId={groupId}
      search={Route.useSearch()}
      onChange={(search) => void navigate({ search })}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
    />
  );
}
