import { createFileRoute } from "@tanstack/react-router";

import { AccountPage } from "@/organisation/AccountPage";

export const Route = createFileRoute("/_app/account")({ component: AccountPage });
