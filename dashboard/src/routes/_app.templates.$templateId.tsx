import { createFileRoute } from "@tanstack/react-router";

import { templateQuery } from "@/template/queries";
import { templateSearch } from "@/template/search";
import { TemplatePage } from "@/template/TemplatePage";

export const Route = createFileRoute("/_app/templates/$templateId")({
  validateSearch: templateSearch,
  loader: ({ context, params }) => context.queryClient.query({ ...templateQuery(params.templateId), staleTime: "static" }),
  component: Page,
});

function Page() {
  return <TemplatePage {...Route.useParams()} search={Route.useSearch()} />;
}
