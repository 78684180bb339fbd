/** Around all pages of a gateway group: loads it first, so that a page can be sure it is there. */
import { createFileRoute, Outlet } from "@tanstack/react-router";

import { groupQuery } from "@/api/queries";

export const Route = createFileRoute("/_app/groups/$groupId")({
  loader: ({ context, params }) => context.queryClient.query({ ...groupQuery(params.groupId), staleTime: "static" }),
  component: Outlet,
});
