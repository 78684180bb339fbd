import { createFileRoute } from "@tanstack/react-router";

import { question } from "@/access/search";
import { WhyPage } from "@/access/WhyPage";

export const Route = createFileRoute("/_app/why")({ validateSearch: question, component: Page });

function Page() {
  return <WhyPage question={Route.useSearch()} />;
}
