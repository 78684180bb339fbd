/** When the certificates of a server name end. */
import { Stack } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";

import { listResources } from "@/api/resources";

import { Ends } from "./Ends";
import type { Item } from "./kinds";

function certificatesQuery(groupId: string) {
  return queryOptions({
    queryKey: ["group", groupId, "kind", "certificates"],
    queryFn: () => listResources<Item>({ groupId, path: "certificates" }),
  });
}

export function SniEnds({ groupId, ids }: { groupId: string; ids: unknown }) {
  const all = useQuery(certificatesQuery(groupId)).data ?? [];
  const own = all.filter(({ id }) => Array.isArray(ids) && ids.includes(id));
  if (own.length === 0) return "–";
  return (
    <Stack gap={2}>
      {own.map(({ id, cert }) => (
        <Ends key={id} pem={typeof cert === "string" ? cert : ""} />
      ))}
    </Stack>
  );
}
