import { createFileRoute } from "@tanstack/react-router";

import { ComparePage } from "@/compare/ComparePage";
import { compareSearch } from "@/compare/search";

export const Route = createFileRoute("/_app/compare")({ validateSearch: compareSearch, component: Page });

function Page() {
  return <ComparePage search={Route.useSearch()} />;
}
