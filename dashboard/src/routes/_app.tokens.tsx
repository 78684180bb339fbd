import { createFileRoute } from "@tanstack/react-router";

import { TokensPage } from "@/organisation/TokensPage";

export const Route = createFileRoute("/_app/tokens")({ component: TokensPage });
