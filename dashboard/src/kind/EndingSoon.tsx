/** Says above a list of certificates that some of them end soon. */
import { Alert, Text } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";

import { listResources } from "@/api/resources";
import { t } from "@/texts";

import { SOON_DAYS } from "./Ends";
import { called, type Item, type Kind } from "./kinds";

const DAY = 86_400;
const NAMED = 5;

function endingQuery(groupId: string, path: string) {
  return queryOptions({
    queryKey: ["group", groupId, "kind", path, "ending"],
    queryFn: () => {
      const exptime = Math.floor(Date.now() / 1000) + SOON_DAYS * DAY;
      return listResources<Item>({ groupId, path }, { exptime });
    },
  });
}

export function EndingSoon({ groupId, path, kind }: { groupId: string; path: string; kind: Kind }) {
  const list = useQuery(endingQuery(groupId, path)).data ?? [];
  if (list.length === 0) return null;
  const names = list.slice(0, NAMED).map((item) => called(kind, item));
  const more = list.length > NAMED ? ` ${t.usage.more(list.length - NAMED)}` : "";
  return (
    <Alert variant="outline" color="orange" className="break">
      <Text size="sm" fw={600}>
        {t.usage.endSoon(list.length)}
      </Text>
      <Text size="sm">{`${names.join(", ")}${more}. ${t.usage.endSoonHint}`}</Text>
    </Alert>
  );
}
