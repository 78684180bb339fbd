/** When a certificate ends, as the API reads it; asked only for the rows in sight. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import { Expiry } from "@/ui/Expiry";

export const SOON_DAYS = 30;

function parsedQuery(cert: string) {
  return queryOptions({
    queryKey: ["certificate", cert],
    staleTime: Infinity,
    enabled: cert !== "",
    queryFn: async () => {
      const call = api.PUT("/api/parse_certificate", { body: { cert } });
      return (await shaped<{ value: { not_after?: number } }>(call)).value.not_after ?? null;
    },
  });
}

export function Ends({ pem }: { pem: string }) {
  const end = useQuery(parsedQuery(pem)).data;
  return end ? <Expiry at={end} soon={SOON_DAYS} /> : "–";
}
