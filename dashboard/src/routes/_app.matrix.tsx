import { createFileRoute } from "@tanstack/react-router";

import { MatrixPage } from "@/compare/MatrixPage";
import { matrixSearch } from "@/compare/search";

export const Route = createFileRoute("/_app/matrix")({ validateSearch: matrixSearch, component: Page });

function Page() {
  return <MatrixPage search={Route.useSearch()} />;
}
