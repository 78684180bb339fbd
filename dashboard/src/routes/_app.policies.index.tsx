import { createFileRoute } from "@tanstack/react-router";

import { PoliciesPage } from "@/access/PoliciesPage";

export const Route = createFileRoute("/_app/policies/")({ component: PoliciesPage });
