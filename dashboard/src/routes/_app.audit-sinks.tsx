import { createFileRoute } from "@tanstack/react-router";

import { SinksPage } from "@/organisation/SinksPage";

export const Route = createFileRoute("/_app/audit-sinks")({ component: SinksPage });
