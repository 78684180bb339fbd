/** The router over the files in routes/, and the cache of what the API answered. */
import { QueryClient } from "@tanstack/react-query";
import { createRouter } from "@tanstack/react-router";

import { ApiError, onSessionEnd } from "./api/client";
import { meQuery } from "./api/queries";
import { routeTree } from "./routeTree.gen";
import { markSession } from "./session/mark";
import { Broken, Missing } from "./ui/Outcome";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status >= 500),
    },
    mutations: { retry: false },
  },
});

export const router = createRouter({
  routeTree,
  context: { queryClient },
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  defaultErrorComponent: Broken,
  defaultNotFoundComponent: Missing,
  scrollRestoration: true,
});

onSessionEnd(() => {
  if (queryClient.getQueryData(meQuery.queryKey)) {
    markSession(false);
    queryClient.setQueryData(meQuery.queryKey, null);
    void router.invalidate();
  }
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
