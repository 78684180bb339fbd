import { createFileRoute, notFound } from "@tanstack/react-router";

import { KindPage } from "@/kind/KindPage";
import { isKind, KINDS } from "@/kind/kinds";
import { t } from "@/texts";

export const Route = createFileRoute("/_app/groups/$groupId/$kind")({
  beforeLoad: ({ params }) => {
    if (!isKind(params.kind)) throw notFound();
  },
  component: Page,
});

function Page() {
  const { groupId, kind } = Route.useParams();
  if (!isKind(kind)) return null;
  return <KindPage key={kind} groupId={groupId} path={kind} kind={KINDS[kind]} words={t.kind.parts[kind]} />;
}
