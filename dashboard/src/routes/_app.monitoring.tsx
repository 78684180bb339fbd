import { createFileRoute } from "@tanstack/react-router";

import { MonitoringPage } from "@/monitoring/MonitoringPage";
import { monitoringSearch } from "@/monitoring/search";

export const Route = createFileRoute("/_app/monitoring")({ validateSearch: monitoringSearch, component: Page });

function Page() {
  const navigate = Route.useNavigate();
  return <MonitoringPage search={Route.useSearch()} onChange={(search) => void navigate({ search })} />;
}
