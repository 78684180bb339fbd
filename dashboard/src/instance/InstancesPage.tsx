/** The instances of a gateway group: what each runs, and how they come and go. */
import { Menu, UnstyledButton } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { EllipsisVertical } from "lucide-react";
import { useState } from "react";

import { api } from "@/api/client";
import { groupQuery, instancesQuery } from "@/api/queries";
import type { Instance } from "@/api/shapes";
import { InstancesTable } from "@/group/InstancesTable";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { Deed } from "@/ui/Deed";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { tell } from "@/ui/told";

import { AddInstance } from "./AddInstance";

interface Path {
  path: { gateway_group_id: string; id: string };
}

/** The two ways to part with an instance. */
const ENDS = {
  revoke: {
    action: "RevokeInstance",
    verb: t.instance.revoke,
    hint: t.instance.revokeHint,
    done: t.instance.revoked,
    act: (params: Path) => api.POST("/api/gateway_groups/{gateway_group_id}/instances/{id}/revoke", { params }),
  },
  remove: {
    action: "DeleteInstance",
    verb: t.instance.remove,
    hint: t.instance.removeHint,
    done: t.instance.removed,
    act: (params: Path) => api.DELETE("/api/gateway_groups/{gateway_group_id}/instances/{id}", { params }),
  },
} as const;

type Doing = { what: keyof typeof ENDS; instance: Instance };

export function InstancesPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const instances = useQuery(instancesQuery(groupId));
  const permissions = usePermissions({ groupId });
  const [adding, setAdding] = useState(false);
  const [doing, setDoing] = useState<Doing>();
  const add = (
    <Add allowed={permissions["CreateInstanceToken"]} onClick={() => setAdding(true)}>
      {t.instance.add}
    </Add>
  );
  return (
    <Page
      title={t.instance.title}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
      actions={add}
    >
      <Loaded query={instances}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={t.group.noInstances} said={t.group.noInstancesHint}>
              {add}
            </Empty>
          ) : (
            <InstancesTable
              instances={list}
              maxHeight="70vh"
              actions={(instance) => <Actions instance={instance} permissions={permissions} onDo={setDoing} />}
            />
          )
        }
      </Loaded>
      <AddInstance groupId={groupId} opened={adding} onClose={() => setAdding(false)} />
      <Ending groupId={groupId} doing={doing} onClose={() => setDoing(undefined)} />
    </Page>
  );
}

interface ActionsProps {
  instance: Instance;
  permissions: Permissions;
  onDo: (doing: Doing) => void;
}

function Actions({ instance, permissions, onDo }: ActionsProps) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <UnstyledButton aria-label={t.instance.actions(instance.hostname)}>
          <EllipsisVertical size={18} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {(["revoke", "remove"] as const).map((what) => {
          const why = may(permissions[ENDS[what].action]);
          return (
            <Menu.Item key={what} disabled={why !== undefined} title={why} onClick={() => onDo({ what, instance })}>
              {ENDS[what].verb}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}

function Ending({ groupId, doing, onClose }: { groupId: string; doing: Doing | undefined; onClose: () => void }) {
  const { verb, hint, done, act } = ENDS[doing?.what ?? "revoke"];
  return (
    <Deed
      to={doing?.instance}
      title={() => verb}
      verb={verb}
      hint={({ hostname }) => `${hint(hostname)} ${t.instance.token}`}
      act={({ id }) => act({ path: { gateway_group_id: groupId, id } })}
      tell={({ hostname }) => tell(done(hostname))}
      stale={["group", groupId]}
      onClose={onClose}
    />
  );
}
