/** A gateway group at a glance: how it stands, its instances, its newest changes and whether they are live. */
import { Badge, Group, Stack, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api } from "@/api/client";
import { groupQuery, instancesQuery, matrixQuery, receiptsQuery } from "@/api/queries";
import { Convergence } from "@/fleet/Convergence";
import { standings } from "@/fleet/standing";
import { Versions } from "@/fleet/Versions";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";

import { GroupForm } from "./GroupForm";
import { InstancesTable } from "./InstancesTable";
import { RecentChanges } from "./RecentChanges";

export function GroupPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const instances = useQuery(instancesQuery(groupId));
  const receipts = useQuery(receiptsQuery(groupId));
  const matrix = useQuery(matrixQuery);
  const [standing] = standings([group], instances.data ?? [], matrix.data);
  return (
    <Page
      title={group.name}
      said={group.description}
      mark={standing && instances.data && <Convergence standing={standing} />}
      crumbs={<Go to="/">{t.fleet.title}</Go>}
      actions={<Actions groupId={groupId} />}
    >
      <Group gap="xs">
        <Labels labels={group.labels} />
        {group.enforce_service_publishing && <Badge variant="default">{t.group.publishingOnly}</Badge>}
      </Group>
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          {t.group.services}
        </Title>
        {standing && <Versions standing={standing} most={12} />}
      </Stack>
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          {t.group.instances}
        </Title>
        <Loaded query={instances}>
          {(list) =>
            list.length === 0 ? (
              <Empty title={t.group.noInstances} said={t.group.noInstancesHint} />
            ) : (
              <InstancesTable instances={list} />
            )
          }
        </Loaded>
      </Stack>
      <Stack gap="xs" component="section">
        <Title order={2} size="h4">
          {t.group.recent}
        </Title>
        <Loaded query={receipts}>{(list) => <RecentChanges receipts={list} />}</Loaded>
      </Stack>
    </Page>
  );
}

function Actions({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const [doing, setDoing] = useState<"edit" | "remove">();
  const permissions = usePermissions({ groupId });
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/api/gateway_groups/{gateway_group_id}", { params: { path: { gateway_group_id: groupId } } }),
    onSuccess: async () => {
      await navigate({ to: "/" });
      await queries.invalidateQueries({ queryKey: ["groups"] });
    },
  });
  const close = () => setDoing(undefined);
  return (
    <>
      <MayButton allowed={permissions["UpdateGatewayGroup"]} variant="default" onClick={() => setDoing("edit")}>
        {t.common.edit}
      </MayButton>
      <MayButton allowed={permissions["DeleteGatewayGroup"]} variant="default" onClick={() => setDoing("remove")}>
        {t.common.remove}
      </MayButton>
      <GroupForm opened={doing === "edit"} group={group} onClose={close} />
      <Confirm
        opened={doing === "remove"}
        title={t.group.remove}
        verb={t.common.remove}
        word={group.name}
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={close}
      >
        {t.group.removeHint(group.name)}
      </Confirm>
    </>
  );
}
