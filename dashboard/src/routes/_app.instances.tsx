import { createFileRoute } from "@tanstack/react-router";

import { AllInstancesPage } from "@/instance/AllInstancesPage";
import { instanceSearch } from "@/instance/search";

export const Route = createFileRoute("/_app/instances")({ validateSearch: instanceSearch, component: Page });

function Page() {
  return <AllInstancesPage search={Route.useSearch()} />;
}
