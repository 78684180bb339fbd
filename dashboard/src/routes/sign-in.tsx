/** Signing in. */
import { createFileRoute } from "@tanstack/react-router";

import { SignIn } from "@/session/SignIn";
import { ownPath } from "@/session/back";

export const Route = createFileRoute("/sign-in")({
  validateSearch: (search): { back?: string } => ({ back: ownPath(search["back"]) }),
  component: Page,
});

function Page() {
  return <SignIn back={Route.useSearch().back} />;
}
