/** The instances of a gateway group: what each runs, and how they come and go. */
import { Menu, UnstyledButton } from "@mantine/core";
import { useMutation, useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { EllipsisVertical, Plus } from "lucide-react";
import { useState } from "react";

import { api } from "@/api/client";
import { groupQuery, instancesQuery } from "@/api/queries";
import type { Instance } from "@/api/shapes";
import { InstancesTable } from "@/group/InstancesTable";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { tellLive } from "@/ui/told";

import { AddInstance } from "./AddInstance";

type Doing = { what: "revoke" | "remove"; instance: Instance };

export function InstancesPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const instances = useQuery(instancesQuery(groupId));
  const permissions = usePermissions({ groupId });
  const [adding, setAdding] = useState(false);
  const [doing, setDoing] = useState<Doing>();
  const add = (
    <MayButton
      allowed={permissions["CreateInstanceToken"]}
      leftSection={<Plus size={16} aria-hidden />}
      onClick={() => setAdding(true)}
    >
      {t.instance.add}
    </MayButton>
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
  const items = [
    { what: "revoke", label: t.instance.revoke, why: may(permissions["RevokeInstance"]) },
    { what: "remove", label: t.instance.remove, why: may(permissions["DeleteInstance"]) },
  ] as const;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <UnstyledButton aria-label={t.instance.actions(instance.hostname)}>
          <EllipsisVertical size={18} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {items.map(({ what, label, why }) => (
          <Menu.Item key={what} disabled={why !== undefined} title={why} onClick={() => onDo({ what, instance })}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Ending({ groupId, doing, onClose }: { groupId: string; doing: Doing | undefined; onClose: () => void }) {
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: ({ what, instance }: Doing) => {
      const params = { path: { gateway_group_id: groupId, id: instance.id } };
      return what === "revoke"
        ? api.POST("/api/gateway_groups/{gateway_group_id}/instances/{id}/revoke", { params })
        : api.DELETE("/api/gateway_groups/{gateway_group_id}/instances/{id}", { params });
    },
    onSuccess: async (_, { what, instance }) => {
      const said = what === "revoke" ? t.instance.revoked : t.instance.removed;
      tellLive(said(instance.hostname), groupId, null);
      onClose();
      await queries.invalidateQueries({ queryKey: ["group", groupId] });
    },
  });
  const words = doing?.what === "remove" ? [t.instance.remove, t.instance.removeHint] as const : [t.instance.revoke, t.instance.revokeHint] as const;
  return (
    <Confirm
      opened={doing !== undefined}
      title={words[0]}
      verb={words[0]}
      pending={end.isPending}
      error={end.error}
      onConfirm={() => doing && end.mutate(doing)}
      onClose={() => {
        end.reset();
        onClose();
      }}
    >
      {words[1](doing?.instance.hostname ?? "")} {t.instance.token}
    </Confirm>
  );
}
