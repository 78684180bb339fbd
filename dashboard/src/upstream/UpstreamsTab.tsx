/** Every upstream of a service in this group, its own and those that plugins choose, with the health of their nodes. */
import { ActionIcon, Code, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { at, deleteResource } from "@/api/resources";
import type { PublishedService, Upstream } from "@/api/shapes";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
import { EditDrawer } from "@/ui/EditDrawer";
import { GoButton } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { State } from "@/ui/State";
import { tellLive } from "@/ui/told";

import { NodesTable } from "./NodesTable";
import { healthQuery, type ServiceHealth, type UpstreamHealth, upstreamsQuery } from "./queries";
import { ExtraUpstreamFields, ExtraStreamUpstreamFields } from "./ExtraUpstreamFields";

interface Props {
  groupId: string;
  service: PublishedService;
}

/** What is done besides looking: a new one, or one that is edited or removed. */
type Doing = { what: "add" } | { what: "edit" | "remove"; upstream: UpstreamHealth };

export function UpstreamsTab({ groupId, service }: Props) {
  const health = useQuery(healthQuery(groupId, service.id));
  const extra = useQuery(upstreamsQuery(groupId, service.id)).data ?? [];
  const permissions = usePermissions({ groupId, serviceId: service.id });
  const [doing, setDoing] = useState<Doing>();
  return (
    <Stack>
      <Group justify="space-between">
        <Text c="dimmed" size="sm" maw={700}>
          {t.upstream.hint}
        </Text>
        <MayButton
          allowed={permissions["CreateUpstream"]}
          leftSection={<Plus size={16} aria-hidden />}
          onClick={() => setDoing({ what: "add" })}
        >
          {t.upstream.add}
        </MayButton>
      </Group>
      <Loaded query={health}>
        {(found: ServiceHealth) =>
          found.upstreams.map((upstream) => (
            <OneUpstream
              key={upstream.id}
              groupId={groupId}
              service={service}
              health={upstream}
              body={upstream.id === service.id ? service.upstream : extra.find((each) => each.id === upstream.id)}
              reporting={found.reporting_instances}
              permissions={permissions}
              onDo={(what) => setDoing({ what, upstream })}
            />
          ))
        }
      </Loaded>
      <Editing groupId={groupId} service={service} doing={doing} permissions={permissions} onClose={() => setDoing(undefined)} />
    </Stack>
  );
}

interface OneProps extends Props {
  health: UpstreamHealth;
  body: Partial<Upstream> | undefined;
  reporting: number;
  permissions: Permissions;
  onDo: (what: "edit" | "remove") => void;
}

function OneUpstream({ groupId, service, health, body, reporting, permissions, onDo }: OneProps) {
  const own = health.id === service.id;
  const name = own ? t.upstream.own : health.name;
  return (
    <Paper withBorder p="md" component="section" aria-label={name}>
      <Stack gap="xs">
        <Group justify="space-between">
          <Group gap="xs">
            <Title order={2} size="h5" className="break">
              {name}
            </Title>
            <Text size="sm" c="dimmed">
              {[body?.scheme ?? "http", t.service.balances[body?.type ?? "roundrobin"]].join(", ")}
            </Text>
            {!own && <Code>{health.id}</Code>}
            {!health.checked && <State look="plain">{t.upstream.unchecked}</State>}
          </Group>
          {own ? (
            <GoButton
              to="/groups/$groupId/services/$serviceId"
              params={{ groupId, serviceId: service.id }}
              search={{ tab: "runtime" }}
              variant="default"
              size="xs"
            >
              {t.common.edit}
            </GoButton>
          ) : (
            <Group gap="xs">
              <ActionIcon variant="default" aria-label={t.upstream.edit(name)} onClick={() => onDo("edit")}>
                <Pencil size={16} aria-hidden />
              </ActionIcon>
              <ActionIcon
                variant="default"
                aria-label={t.upstream.remove(name)}
                title={may(permissions["DeleteUpstream"]) ?? t.common.remove}
                disabled={may(permissions["DeleteUpstream"]) !== undefined}
                onClick={() => onDo("remove")}
              >
                <Trash2 size={16} aria-hidden />
              </ActionIcon>
            </Group>
          )}
        </Group>
        {body?.service_name && (
          <Text size="sm">
            {t.upstream.fromRegistry} <Code className="break">{body.service_name}</Code>
          </Text>
        )}
        <NodesTable label={t.upstream.nodesOf(name)} nodes={health.nodes} reporting={reporting} />
      </Stack>
    </Paper>
  );
}

interface EditingProps extends Props {
  doing: Doing | undefined;
  permissions: Permissions;
  onClose: () => void;
}

function Editing({ groupId, service, doing, permissions, onClose }: EditingProps) {
  const stream = service.type === "stream";
  const path = (id: string) => at("services", service.id, "upstreams", id);
  const fields = stream ? ExtraStreamUpstreamFields : ExtraUpstreamFields;
  return (
    <>
      {doing?.what === "add" && (
        <EditDrawer
          opened
          title={t.upstream.add}
          place={{ groupId, path: at("services", service.id, "upstreams") }}
          fresh={{ name: "", scheme: stream ? "tcp" : "http", nodes: [{ host: "", weight: 1 }] }}
          allowed={permissions["CreateUpstream"]}
          fields={fields}
          done={t.upstream.added}
          onClose={onClose}
        />
      )}
      {doing?.what === "edit" && (
        <EditDrawer
          opened
          title={t.upstream.edit(doing.upstream.name)}
          place={{ groupId, path: path(doing.upstream.id) }}
          allowed={permissions["UpdateUpstream"]}
          fields={fields}
          done={t.upstream.saved}
          onClose={onClose}
        />
      )}
      <Deed
        to={doing?.what === "remove" ? doing.upstream : undefined}
        title={(upstream) => t.upstream.remove(upstream.name)}
        verb={t.common.remove}
        hint={() => t.upstream.removeHint}
        act={(upstream) => deleteResource({ groupId, path: path(upstream.id) })}
        tell={(_, { revision }) => tellLive(t.upstream.removed, groupId, revision)}
        stale={["group", groupId]}
        onClose={onClose}
      />
    </>
  );
}
