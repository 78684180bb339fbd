/** Who refers to a certificate, proto or secret provider; asked when it is opened. */
import { Button, List, Popover, Text } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import { at } from "@/api/resources";
import type { Listed } from "@/api/shapes";
import { t } from "@/texts";
import { Loaded } from "@/ui/Loaded";

/** What the pages list of those who use it. */
const MOST = 20;

interface User {
  resource_type: string;
  id: string;
  name?: string;
  domain?: string;
}

type Loose = (path: string, options: object) => Promise<{ data?: unknown; response: Response }>;

function usageQuery(groupId: string, path: string) {
  return queryOptions({
    queryKey: ["group", groupId, "usage", path],
    queryFn: () => {
      // the path is put together, which no type can follow
      const get = api.GET as unknown as Loose;
      const params = { query: { page: 1, page_size: MOST } };
      return shaped<Listed<User>>(get(`/api/gateway_groups/${at(groupId)}/${path}/usage`, { params }));
    },
  });
}

interface Props {
  groupId: string;
  /** Where it is: "certificates/web", its parts ready for an address. */
  path: string;
  name: string;
}

export function Usage({ groupId, path, name }: Props) {
  const [opened, setOpened] = useState(false);
  return (
    <Popover opened={opened} onChange={setOpened} width={320} trapFocus withArrow>
      <Popover.Target>
        <Button size="xs" variant="default" aria-label={t.usage.of(name)} onClick={() => setOpened(!opened)}>
          {t.usage.show}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t.usage.of(name)}>
        <Users groupId={groupId} path={path} />
      </Popover.Dropdown>
    </Popover>
  );
}

function Users({ groupId, path }: Pick<Props, "groupId" | "path">) {
  const query = useQuery(usageQuery(groupId, path));
  return (
    <Loaded query={query} lines={2}>
      {({ list, total }) =>
        total === 0 ? (
          <Text size="sm">{t.usage.nobody}</Text>
        ) : (
          <>
            <List size="sm">
              {list.map((user) => (
                <List.Item key={`${user.resource_type}/${user.id}`} className="break">
                  {`${user.resource_type.replaceAll("_", " ").replace(/s$/, "")} ${user.name ?? user.domain ?? user.id}`}
                </List.Item>
              ))}
            </List>
            {total > list.length && <Text size="sm">{t.usage.more(total - list.length)}</Text>}
          </>
        )
      }
    </Loaded>
  );
}
