import { createFileRoute, notFound } from "@tanstack/react-router";

import { RevisionPage } from "@/revision/RevisionPage";

export const Route = createFileRoute("/_app/groups/$groupId/revisions/$revision")({
  beforeLoad: ({ params }) => {
    if (!/^\d+$/.test(params.revision)) throw notFound();
  },
  component: Page,
});

function Page() {
  const { groupId, revision } = Route.useParams();
  return <RevisionPage key={revision} groupId={groupId} revision={Number(revision)} />;
}
