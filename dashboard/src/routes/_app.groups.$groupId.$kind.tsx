import { createFileRoute, notFound, useNavigate } from "@tanstack/react-router";

import { KindPage } from "@/kind/KindPage";
import { isKind, KINDS } from "@/kind/kinds";
import { editSearch } from "@/kind/search";
import { t } from "@/texts";

export const Route = createFileRoute("/_app/groups/$groupId/$kind")({
  validateSearch: editSearch,
  beforeLoad: ({ params }) => {
    if (!isKind(params.kind)) throw notFound();
  },
  component: Page,
});

function Page() {
  const { groupId, kind } = Route.useParams();
  const { edit } = Route.useSearch();
  const navigate = useNavigate({ from: Route.fullPath });
  if (!isKind(kind)) return null;
  return (
    <KindPage
      key={kind}
      groupId={groupId}
      path={kind}
      kind={KINDS[kind]}
      words={t.kind.parts[kind]}
      edit={edit}
      onEdit={(id) => void navigate({ search: { edit: id } })}
    />
  );
}
