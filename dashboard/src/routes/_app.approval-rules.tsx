import { createFileRoute } from "@tanstack/react-router";

import { RulesPage } from "@/approval/RulesPage";

export const Route = createFileRoute("/_app/approval-rules")({ component: RulesPage });
