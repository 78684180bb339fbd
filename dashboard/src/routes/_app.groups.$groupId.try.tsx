import { useSuspenseQuery } from "@tanstack/react-query";
import { createFileRoute } from "@tanstack/react-router";

import { groupQuery } from "@/api/queries";
import { testerSearch } from "@/tester/search";
import { TesterPage } from "@/tester/TesterPage";
import { Go } from "@/ui/Go";

export const Route = createFileRoute("/_app/groups/$groupId/try")({ validateSearch: testerSearch, component: Page });

function Page() {
  const { groupId } = Route.useParams();
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const navigate = Route.useNavigate();
  return (
    <TesterPage
      groupId={groupId}
      search={Route.useSearch()}
      onChange={(search) => void navigate({ search, replace: true })}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
    />
  );
}
