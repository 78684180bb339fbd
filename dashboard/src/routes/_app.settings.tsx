import { createFileRoute } from "@tanstack/react-router";

import { SettingsPage } from "@/organisation/SettingsPage";

export const Route = createFileRoute("/_app/settings")({ component: SettingsPage });
