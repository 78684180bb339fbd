/** The navigation at the side: the fleet, the gateway group one looks at, the organisation. */
import { NavLink, Stack, Text } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";

import { t } from "@/texts";

import { fleetPlaces, groupPlaces, organisationPlaces, type Place } from "./navigation";

export function Navigation({ onNavigate }: { onNavigate: () => void }) {
  const { groupId } = useParams({ strict: false });
  return (
    <Stack gap="xs">
      <Section places={fleetPlaces} onNavigate={onNavigate} />
      {groupId !== undefined && (
        <Section title={t.common.nav.group} places={groupPlaces} params={{ groupId }} onNavigate={onNavigate} />
      )}
      {organisationPlaces.length > 0 && (
        <Section title={t.common.nav.organisation} places={organisationPlaces} onNavigate={onNavigate} />
      )}
    </Stack>
  );
}

interface SectionProps {
  title?: string;
  places: Place[];
  params?: Record<string, string>;
  onNavigate: () => void;
}

function Section({ title, places, params = {}, onNavigate }: SectionProps) {
  return (
    <div>
      {title && (
        <Text size="xs" fw={700} c="dimmed" px="sm" pb={4}>
          {title}
        </Text>
      )}
      {places.map(({ title, Icon, to, exact = false, params: own, Mark }) => (
        <NavLink
          key={title}
          component={Link}
          to={to}
          params={{ ...params, ...own } as never}
          activeOptions={{ exact, includeSearch: false }}
          activeProps={{ "data-active": true, "aria-current": "page" }}
          label={title}
          leftSection={<Icon size={18} aria-hidden />}
          rightSection={Mark && <Mark />}
          onClick={onNavigate}
          variant="light"
        />
      ))}
    </div>
  );
}
