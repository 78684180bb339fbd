/** Chooses the gateway group one looks at; stays on the same kind of page. */
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMatches, useNavigate, useParams } from "@tanstack/react-router";

import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";

import { groupPlaces } from "./navigation";

export function GroupSwitcher() {
  const { groupId } = useParams({ strict: false });
  const groups = useQuery(groupsQuery).data ?? [];
  const navigate = useNavigate();
  const path = useMatches({ select: (matches) => matches.at(-1)?.fullPath ?? "" });
  const choose = (chosen: string | null) => {
    if (chosen === null || chosen === groupId) return;
    // the longest place that the page is at or below
    const place = groupPlaces.findLast((each) => path === each.to || path.startsWith(`${each.to}/`));
    void navigate({ to: place?.to ?? "/groups/$groupId", params: { groupId: chosen } as never });
  };
  return (
    <Select
      aria-label={t.common.chooseGroup}
      placeholder={t.common.group}
      data={groups.map((group) => ({ value: group.id, label: group.name }))}
      value={groupId ?? null}
      onChange={choose}
      allowDeselect={false}
      searchable
      nothingFoundMessage={t.common.findNothing}
      size="sm"
      w={{ base: 160, sm: 220 }}
    />
  );
}
