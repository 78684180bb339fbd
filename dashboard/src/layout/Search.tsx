/** Ctrl-K: every gateway group, service and page by name. */
import { Spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Search as SearchIcon } from "lucide-react";
import { useState } from "react";

import { groupsQuery, matrixQuery } from "@/api/queries";
import { t } from "@/texts";

import { fleetPlaces, groupPlaces, organisationPlaces, type Place } from "./navigation";

export function Search() {
  const [opened, setOpened] = useState(false);
  const { groupId } = useParams({ strict: false });
  const navigate = useNavigate();
  const groups = useQuery(groupsQuery).data ?? [];
  const matrix = useQuery({ ...matrixQuery, enabled: opened, refetchInterval: false, staleTime: 10_000 }).data;
  const names = new Map(groups.map((group) => [group.id, group.name]));
  const page = (place: Place, params: object = {}): SpotlightActionData => ({
    id: place.title,
    label: place.title,
    leftSection: <place.Icon size={18} aria-hidden />,
    onClick: () => void navigate({ to: place.to, params: { ...params, ...place.params } as never }),
  });
  const here = groupId === undefined ? [] : groupPlaces.map((place) => page(place, { groupId }));
  const services = (matrix?.services ?? []).flatMap((service) =>
    Object.keys(service.groups).map((id) => ({
      id: `${id}/${service.service_id}`,
      label: service.name,
      description: names.get(id) ?? id,
      keywords: [service.service_id],
      onClick: () =>
        void navigate({
          to: "/groups/$groupId/services/$serviceId",
          params: { groupId: id, serviceId: service.service_id },
        }),
    })),
  );
  const found = groups.map((group) => ({
    id: group.id,
    label: group.name,
    description: Object.entries(group.labels)
      .map((pair) => pair.join(":"))
      .join(" "),
    onClick: () => void navigate({ to: "/groups/$groupId", params: { groupId: group.id } }),
  }));
  const pages = [...here, ...[...fleetPlaces, ...organisationPlaces].map((place) => page(place))];
  return (
    <Spotlight
      actions={[
        { group: t.fleet.groupsTotal, actions: found },
        { group: t.fleet.servicesTotal, actions: services },
        { group: t.common.nav.main, actions: pages },
      ]}
      shortcut={["mod + K"]}
      limit={12}
      scrollable
      nothingFound={t.common.findNothing}
      onSpotlightOpen={() => setOpened(true)}
      searchProps={{
        leftSection: <SearchIcon size={18} aria-hidden />,
        placeholder: t.common.findHint,
        "aria-label": t.common.findHint,
      }}
    />
  );
}
