import { createFileRoute } from "@tanstack/react-router";

import { ImportTemplatePage } from "@/openapi/ImportTemplatePage";

export const Route = createFileRoute("/_app/templates/import")({ component: ImportTemplatePage });
