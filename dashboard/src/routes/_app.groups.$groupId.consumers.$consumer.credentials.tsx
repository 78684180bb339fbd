import { createFileRoute, useNavigate } from "@tanstack/react-router";

import { at } from "@/api/resources";
import { KindPage } from "@/kind/KindPage";
import { CREDENTIALS } from "@/kind/kinds";
import { editSearch } from "@/kind/search";
import { t } from "@/texts";
import { Go } from "@/ui/Go";

export const Route = createFileRoute("/_app/groups/$groupId/consumers/$consumer/credentials")({
  validateSearch: editSearch,
  component: Page,
});

function Page() {
  const { groupId, consumer } = Route.useParams();
  const { edit } = Route.useSearch();
  const navigate = useNavigate({ from: Route.fullPath });
  return (
    <KindPage
      groupId={groupId}
      path={`consumers/${at(consumer)}/credentials`}
      kind={CREDENTIALS}
      words={t.kind.parts.credentials}
      title={t.kind.credentialsOf(consumer)}
      edit={edit}
      onEdit={(id) => void navigate({ search: { edit: id } })}
      crumbs={
        <Go to="/groups/$groupId/$kind" params={{ groupId, kind: "consumers" }}>
          {t.kind.parts.consumers.title}
        </Go>
      }
    />
  );
}
