import { createFileRoute } from "@tanstack/react-router";

import { RolesPage } from "@/access/RolesPage";

export const Route = createFileRoute("/_app/roles")({ component: RolesPage });
