/** A service of a gateway group: its routes, where it is, what is the group's own, its versions and its history. */
import { Group, Tabs } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useDeferredValue } from "react";

import { groupQuery, serviceQuery } from "@/api/queries";
import { RingNote } from "@/ring/RingNote";
import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Page } from "@/ui/Page";
import { UpstreamsTab } from "@/upstream/UpstreamsTab";

import { HistoryTable } from "./HistoryTable";
import { RoutesTab } from "./RoutesTab";
import { RuntimeTab } from "./RuntimeTab";
import { isTab, type Tab, TABS } from "./search";
import { ServiceActions } from "./ServiceActions";
import { OnOff, Version } from "./ServicesPage";
import { VersionsTab } from "./VersionsTab";

interface Props {
  groupId: string;
  serviceId: string;
  tab?: Tab | undefined;
}

export function ServicePage({ groupId, serviceId, tab = "routes" }: Props) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const { data: service } = useSuspenseQuery(serviceQuery(groupId, serviceId));
  const navigate = useNavigate();
  // the tab answers at once; ten thousand routes take a moment longer
  const drawn = useDeferredValue(tab);
  const show = (next: string | null) =>
    void navigate({
      to: "/groups/$groupId/services/$serviceId",
      params: { groupId, serviceId },
      search: { tab: isTab(next) && next !== "routes" ? next : undefined },
    });
  const tabs: Record<Tab, ReactNode> = {
    routes: <RoutesTab groupId={groupId} service={service} />,
    upstreams: <UpstreamsTab groupId={groupId} service={service} />,
    runtime: <RuntimeTab groupId={groupId} service={service} />,
    versions: <VersionsTab groupId={groupId} service={service} />,
    history: <HistoryTable groupId={groupId} serviceId={serviceId} />,
  };
  return (
    <Page
      title={service.name}
      said={service.desc}
      mark={
        <Group gap="xs">
          <Version service={service} />
          <OnOff service={service} />
        </Group>
      }
      crumbs={[
        <Go key="group" to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>,
        <Go key="services" to="/groups/$groupId/services" params={{ groupId }}>
          {t.service.title}
        </Go>,
      ]}
      actions={<ServiceActions groupId={groupId} service={service} />}
    >
      <RingNote groupId={groupId} serviceId={serviceId} />
      <Labels labels={service.labels} />
      <Tabs value={tab} onChange={show} keepMounted={false}>
        <Tabs.List>
          {TABS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t.service.tabs[each]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((each) => (
          <Tabs.Panel key={each} value={each} pt="md">
            {each === drawn && tabs[each]}
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
