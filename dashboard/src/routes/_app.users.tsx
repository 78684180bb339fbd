import { createFileRoute } from "@tanstack/react-router";

import { UsersPage } from "@/organisation/UsersPage";

export const Route = createFileRoute("/_app/users")({ component: UsersPage });
