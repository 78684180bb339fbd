/** Changing one's password; the first one has to be. */
import { createFileRoute, redirect } from "@tanstack/react-router";

import { meQuery } from "@/api/queries";
import { ownPath } from "@/session/back";
import { ChangePassword } from "@/session/ChangePassword";

export const Route = createFileRoute("/password")({
  validateSearch: (search): { back?: string } => ({ back: ownPath(search["back"]) }),
  beforeLoad: async ({ context, location }) => {
    const me = await context.queryClient.query({ ...meQuery, staleTime: "static" });
    if (!me) throw redirect({ to: "/sign-in", search: { back: location.href } });
    return { me };
  },
  component: Page,
});

function Page() {
  const { me } = Route.useRouteContext();
  return <ChangePassword me={me} back={Route.useSearch().back} />;
}
