/** Traffic of the whole fleet or of one gateway group: over time, told apart, and request by request. */
import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";

import { t } from "@/texts";
import { Page } from "@/ui/Page";

import { Controls } from "./Controls";
import { RequestsTab } from "./RequestsTab";
import type { MonitoringSearch } from "./search";
import { TrafficTab } from "./TrafficTab";

const words = t.monitoring;

export interface MonitoringProps {
  /** Only this gateway group; without it, all that the user may see. */
  groupId?: string;
  search: MonitoringSearch;
  onChange: (search: MonitoringSearch) => void;
}

export function MonitoringPage({ crumbs, ...props }: MonitoringProps & { crumbs?: ReactNode }) {
  const { groupId, search, onChange } = props;
  return (
    <Page title={groupId === undefined ? words.titleFleet : words.title} said={words.hint} crumbs={crumbs}>
      <Controls {...props} />
      {groupId === undefined ? (
        <TrafficTab {...props} />
      ) : (
        <Tabs
          value={search.tab ?? "traffic"}
          onChange={(tab) => onChange({ ...search, tab: tab === "requests" ? tab : undefined, page: undefined })}
          keepMounted={false}
        >
          <Tabs.List>
            <Tabs.Tab value="traffic">{words.traffic}</Tabs.Tab>
            <Tabs.Tab value="requests">{words.single}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="traffic" pt="md">
            <TrafficTab {...props} />
          </Tabs.Panel>
          <Tabs.Panel value="requests" pt="md">
            <RequestsTab groupId={groupId} search={search} onChange={onChange} />
          </Tabs.Panel>
        </Tabs>
      )}
    </Page>
  );
}
