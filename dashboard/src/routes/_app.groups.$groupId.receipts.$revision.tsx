import { createFileRoute, notFound } from "@tanstack/react-router";

import { ReceiptPage } from "@/receipt/ReceiptPage";

export const Route = createFileRoute("/_app/groups/$groupId/receipts/$revision")({
  beforeLoad: ({ params }) => {
    if (!/^\d+$/.test(params.revision)) throw notFound();
  },
  component: Page,
});

function Page() {
  const { groupId, revision } = Route.useParams();
  return <ReceiptPage key={revision} groupId={groupId} revision={Number(revision)} />;
}
