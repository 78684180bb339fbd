/** All pages for who is signed in: asks who that is first, and sends everybody else to sign in and back. */
import { createFileRoute, redirect } from "@tanstack/react-router";

import { meQuery } from "@/api/queries";
import { Shell } from "@/layout/Shell";

export const Route = createFileRoute("/_app")({
  beforeLoad: async ({ context, location }) => {
    const me = await context.queryClient.query({ ...meQuery, staleTime: "static" });
    if (!me) throw redirect({ to: "/sign-in", search: { back: location.href } });
    if (me.must_change_password) throw redirect({ to: "/password", search: { back: location.href } });
    return { me };
  },
  component: Shell,
});
