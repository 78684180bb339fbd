/** Traffic of the whole fleet or of one gateway group: over time, told apart, and request by request. */
import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";

import { t } from "@/texts";
import { Waiting } from "@/ui/Loaded";
import { Page } from "@/ui/Page";

import { Controls } from "./Controls";
import { RequestsTab } from "./RequestsTab";
import { type MonitoringSearch, type Source, within } from "./search";
import { useSources } from "./source";
import { TrafficTab } from "./TrafficTab";

const words = t.monitoring;

export interface MonitoringProps {
  /** Only this gateway group; without it, all that the user may see. */
  groupId?: string;
  search: MonitoringSearch;
  onChange: (search: MonitoringSearch) => void;
}

/** Those of the parts of the page that need to know where figures come from. */
export type SourcedProps = MonitoringProps & { source: Source };

export function MonitoringPage({ crumbs, ...props }: MonitoringProps & { crumbs?: ReactNode }) {
  const { groupId, search } = props;
  const { source, both } = useSources(search);
  // single requests are only in the built-in store
  const single = groupId !== undefined && search.tab === "requests";
  const shown = single ? "built_in" : source;
  return (
    <Page
      title={groupId === undefined ? words.titleFleet : words.title}
      said={shown === undefined ? undefined : words.hints[shown]}
      crumbs={crumbs}
    >
      {shown === undefined ? (
        <Waiting lines={8} />
      ) : (
        <Parts {...props} search={within(search, shown)} source={shown} both={both && !single} />
      )}
    </Page>
  );
}

function Parts({ both, ...props }: SourcedProps & { both: boolean }) {
  const { groupId, search, onChange } = props;
  return (
    <>
      <Controls {...props} both={both} />
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
    </>
  );
}
