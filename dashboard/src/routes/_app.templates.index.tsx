import { createFileRoute } from "@tanstack/react-router";

import { TemplatesPage } from "@/template/TemplatesPage";

export const Route = createFileRoute("/_app/templates/")({
  validateSearch: (search): { add?: true | undefined } => ({ add: search["add"] === true ? true : undefined }),
  component: Page,
});

function Page() {
  return <TemplatesPage adding={Route.useSearch().add ?? false} />;
}
