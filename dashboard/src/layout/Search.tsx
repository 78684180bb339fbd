/** Ctrl-K: every page and gateway group by name, and through the API what is in them: services, routes, consumers, templates. */
import { useDebouncedValue } from "@mantine/hooks";
import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from "@mantine/spotlight";
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { type LinkProps, useNavigate, useParams } from "@tanstack/react-router";
import { Search as SearchIcon } from "lucide-react";
import { useState } from "react";

import { api, many } from "@/api/client";
import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";

import { fleetPlaces, groupPlaces, organisationPlaces, type Place } from "./navigation";

/** Milliseconds without a key before the API is asked. */
const PAUSE = 200;

function hitsQuery(text: string) {
  return queryOptions({
    queryKey: ["search", text],
    enabled: text.length > 1,
    placeholderData: keepPreviousData,
    queryFn: async () => (await many(api.GET("/api/search", { params: { query: { text } } }))).list,
  });
}

type Hit = Awaited<ReturnType<NonNullable<ReturnType<typeof hitsQuery>["queryFn"]>>>[number];

/** The address of what was found. */
function addressOf({ kind, id, service_id: serviceId = id, gateway_group_id: groupId = "" }: Hit): LinkProps {
  if (kind === "service_template") return { to: "/templates/$templateId", params: { templateId: id } };
  if (kind === "consumer") return { to: "/groups/$groupId/$kind", params: { groupId, kind: "consumers" } };
  const search = kind === "service" ? {} : { edit: id };
  return { to: "/groups/$groupId/services/$serviceId", params: { groupId, serviceId }, search };
}

export function Search() {
  const { groupId } = useParams({ strict: false });
  const [typed, setTyped] = useState("");
  const [asked] = useDebouncedValue(typed.trim(), PAUSE);
  const navigate = useNavigate();
  const go = (to: LinkProps) => () => void navigate(to as never);
  const groups = useQuery(groupsQuery).data ?? [];
  const answer = useQuery(hitsQuery(asked));
  const hits = answer.data ?? [];
  const waiting = typed.trim() !== asked || answer.isFetching;
  const page = ({ title, Icon, to, params: own }: Place, params: object = {}): SpotlightActionData => ({
    id: title,
    label: title,
    leftSection: <Icon size={18} aria-hidden />,
    onClick: go({ to, params: { ...params, ...own } as never }),
  });
  const here = groupId === undefined ? [] : groupPlaces.map((place) => page(place, { groupId }));
  const found = groups.map((group) => ({
    id: group.id,
    label: group.name,
    description: Object.entries(group.labels)
      .map((pair) => pair.join(":"))
      .join(" "),
    onClick: go({ to: "/groups/$groupId", params: { groupId: group.id } }),
  }));
  const pages = [...here, ...[...fleetPlaces, ...organisationPlaces].map((place) => page(place))];
  return (
    <Spotlight
      actions={[
        { group: t.fleet.groupsTotal, actions: found },
        ...hitGroups(hits, asked, (hit) => go(addressOf(hit))),
        { group: t.common.nav.main, actions: pages },
      ]}
      query={typed}
      onQueryChange={setTyped}
      shortcut={["mod + K"]}
      limit={40}
      scrollable
      // the kit's own blurs the page behind, again for each picture: a tenth of a second without a graphics card
      overlayProps={{ backgroundOpacity: 0.35 }}
      attributes={{ content: { "aria-label": t.common.search } }}
      nothingFound={waiting ? t.common.loading : t.common.findNothing}
      searchProps={{
        leftSection: <SearchIcon size={18} aria-hidden />,
        placeholder: t.common.findHint,
        "aria-label": t.common.findHint,
      }}
    />
  );
}

/** What the API found, by kind. `asked` is a keyword of each: it may match a path, which is not shown. */
function hitGroups(hits: Hit[], asked: string, onGo: (hit: Hit) => () => void): SpotlightActionGroupData[] {
  return Object.entries(t.common.found).map(([kind, group]) => ({
    group,
    actions: hits
      .filter((hit) => hit.kind === kind)
      .map((hit) => ({
        id: [hit.kind, hit.gateway_group_id, hit.id].join("/"),
        label: hit.name,
        description: hit.gateway_group_name,
        keywords: [hit.id, asked],
        onClick: onGo(hit),
      })),
  }));
}
