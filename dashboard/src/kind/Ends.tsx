/** When a certificate ends, as the API reads it; asked only for the rows in sight. */
import { Group } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, shaped } from "@/api/client";
import { t } from "@/texts";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";

const DAY = 86_400;
const SOON = 30 * DAY;

function parsedQuery(cert: string) {
  return queryOptions({
    queryKey: ["certificate", cert],
    staleTime: Infinity,
    enabled: cert !== "",
    queryFn: async () => {
      const call = api.PUT("/api/parse_certificate", { body: { cert } });
      const end = (await shaped<{ value: { not_after?: number } }>(call)).value.not_after;
      return end === undefined ? null : { end, left: end - Date.now() / 1000 };
    },
  });
}

export function Ends({ pem }: { pem: string }) {
  const told = useQuery(parsedQuery(pem)).data;
  if (!told) return "–";
  const { end, left } = told;
  return (
    <Group gap="xs">
      <Time at={end} />
      {left < SOON && <State look={left < 0 ? "bad" : "warning"}>{left < 0 ? t.kind.ended : t.kind.endsSoon}</State>}
    </Group>
  );
}
