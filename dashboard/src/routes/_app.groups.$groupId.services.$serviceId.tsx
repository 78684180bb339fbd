import { createFileRoute } from "@tanstack/react-router";

import { serviceQuery } from "@/api/queries";
import { ServicePage } from "@/service/ServicePage";
import { type ServiceSearch, isTab } from "@/service/search";

export const Route = createFileRoute("/_app/groups/$groupId/services/$serviceId")({
  validateSearch: (search): ServiceSearch => ({
    tab: isTab(search["tab"]) ? search["tab"] : undefined,
    edit: typeof search["edit"] === "string" ? search["edit"] : undefined,
  }),
  loader: ({ context, params: { groupId, serviceId } }) =>
    context.queryClient.query({ ...serviceQuery(groupId, serviceId), staleTime: "static" }),
  component: Page,
});

function Page() {
  return <ServicePage {...Route.useParams()} tab={Route.useSearch({ select: (search) => search.tab })} />;
}
