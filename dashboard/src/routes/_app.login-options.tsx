import { createFileRoute } from "@tanstack/react-router";

import { LoginsPage } from "@/organisation/LoginsPage";

export const Route = createFileRoute("/_app/login-options")({ component: LoginsPage });
