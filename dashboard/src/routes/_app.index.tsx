import { createFileRoute } from "@tanstack/react-router";

import { FleetPage } from "@/fleet/FleetPage";
import { ownLabels, type FleetSearch } from "@/fleet/search";

export const Route = createFileRoute("/_app/")({
  validateSearch: (search): FleetSearch => ({
    view: search["view"] === "table" ? "table" : undefined,
    find: typeof search["find"] === "string" && search["find"] ? search["find"] : undefined,
    labels: ownLabels(search["labels"]),
  }),
  component: Page,
});

function Page() {
  return <FleetPage search={Route.useSearch()} />;
}
