/** The routes of a service: thousands scroll; one is edited at the side, under an address of its own. */
import { Badge, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { useMemo, useState } from "react";

import { routesQuery, streamRoutesQuery } from "@/api/queries";
import { at, deleteResource, type Json } from "@/api/resources";
import type { PublishedService } from "@/api/shapes";
import { type Allowed, usePermissions } from "@/session/permissions";
import { requestFor } from "@/tester/search";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { EditDrawer } from "@/ui/EditDrawer";
import { Empty } from "@/ui/Empty";
import { RowGo, RowGoButton } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Remove } from "@/ui/Remove";
import { tellLive } from "@/ui/told";

import { HttpRouteFields, StreamRouteFields } from "./RouteFields";

const PATH = "/groups/$groupId/services/$serviceId";
const ROUTE = `/_app${PATH}` as const;

interface AnyRoute {
  id: string;
  name: string;
  paths?: string[];
  hosts?: string[];
  methods?: string[];
  priority?: number;
  plugins?: Record<string, unknown>;
  server_port?: number;
  sni?: string;
}

interface Props {
  groupId: string;
  service: PublishedService;
}

export function RoutesTab({ groupId, service }: Props) {
  const stream = service.type === "stream";
  const kind = stream ? "stream_routes" : "routes";
  const http = useQuery({ ...routesQuery(groupId, service.id), enabled: !stream });
  const streams = useQuery({ ...streamRoutesQuery(groupId, service.id), enabled: stream });
  const [leaving, setLeaving] = useState<AnyRoute>();
  const permissions = usePermissions({ groupId, serviceId: service.id });
  const allowed = permissions[stream ? "DeleteStreamRoute" : "DeleteRoute"];
  const columns = useMemo(
    () => columnsOf({ stream, groupId, service, allowed, onDelete: setLeaving }),
    [stream, groupId, service, allowed],
  );
  const onEdit = useEdit();
  const add = (
    <Add allowed={permissions[stream ? "CreateStreamRoute" : "CreateRoute"]} onClick={() => onEdit("new")}>
      {t.service.addRoute}
    </Add>
  );
  const draw = (list: AnyRoute[]) =>
    list.length === 0 ? (
      <Empty title={t.service.noRoutesTitle} said={t.service.noRoutes}>
        {add}
      </Empty>
    ) : (
      <DataTable label={t.service.routes} rows={list} columns={columns} rowId={idOf} text={textOf} tools={add} />
    );
  return (
    <>
      {stream ? <Loaded query={streams}>{draw}</Loaded> : <Loaded query={http}>{draw}</Loaded>}
      <EditRoute
        groupId={groupId}
        service={service}
        routes={(stream ? streams.data : http.data) ?? []}
        allowed={permissions[stream ? "UpdateStreamRoute" : "UpdateRoute"]}
      />
      <DeleteRoute groupId={groupId} kind={kind} route={leaving} onClose={() => setLeaving(undefined)} />
    </>
  );
}

interface EditProps extends Props {
  routes: AnyRoute[];
  allowed: Allowed | undefined;
}

/** The route that the address says is edited, at the side. Only this part looks at it: the list stands still meanwhile. */
function EditRoute({ groupId, service, routes, allowed }: EditProps) {
  const edit = useSearch({ from: ROUTE, select: (search) => search.edit });
  const onEdit = useEdit();
  const stream = service.type === "stream";
  const kind = stream ? "stream_routes" : "routes";
  const fresh: Json = { name: "", service_id: service.id, ...(stream ? {} : { paths: [] }) };
  const route = routes.find(({ id }) => id === edit);
  return (
    <EditDrawer
      opened={edit !== undefined}
      title={edit === "new" ? t.service.addRoute : t.service.editRoute(route?.name ?? edit ?? "")}
      place={{ groupId, path: edit === "new" || edit === undefined ? kind : at(kind, edit) }}
      fresh={edit === "new" ? fresh : undefined}
      allowed={allowed}
      fields={(props) =>
        stream ? (
          <StreamRouteFields {...props} />
        ) : (
          <>
            {route && (
              <Group justify="flex-end">
                <Try groupId={groupId} service={service} route={route} worded />
              </Group>
            )}
            <HttpRouteFields {...props} />
          </>
        )
      }
      done={edit === "new" ? t.service.routeAdded : t.service.routeSaved}
      onClose={() => onEdit(undefined)}
    />
  );
}

/** The way to another route at the side, or to none. */
function useEdit(): (edit: string | undefined) => void {
  const navigate = useNavigate();
  return (edit) => void navigate({ from: PATH, to: ".", search: (search) => ({ ...search, edit }), resetScroll: false });
}

function idOf(route: AnyRoute): string {
  return route.id;
}

function textOf(route: AnyRoute): string {
  return [route.name, route.id, ...(route.paths ?? []), ...(route.methods ?? []), route.sni, route.server_port].join(" ");
}

interface ColumnsProps {
  stream: boolean;
  groupId: string;
  service: PublishedService;
  /** Whether they may be deleted. */
  allowed: Allowed | undefined;
  onDelete: (route: AnyRoute) => void;
}

function columnsOf({ stream, groupId, service, allowed, onDelete }: ColumnsProps): Column<AnyRoute>[] {
  const name: Column<AnyRoute> = {
    id: "name",
    header: t.service.name,
    accessorKey: "name",
    cell: ({ row }) => (
      <RowGo
        to="/groups/$groupId/services/$serviceId"
        params={{ groupId, serviceId: service.id }}
        search={{ edit: row.original.id }}
        resetScroll={false}
      >
        {row.original.name}
      </RowGo>
    ),
  };
  const own: Column<AnyRoute>[] = stream
    ? [
        { id: "port", header: t.service.port, accessorKey: "server_port" },
        { id: "sni", header: t.service.sni, accessorKey: "sni" },
      ]
    : [
        { id: "paths", header: t.service.paths, accessorFn: (route) => (route.paths ?? []).join(", ") },
        {
          id: "methods",
          header: t.service.methods,
          accessorFn: (route) => (route.methods ?? []).join(", ") || t.common.all,
        },
        { id: "priority", header: t.service.priority, accessorFn: (route) => route.priority ?? 0 },
      ];
  const rest: Column<AnyRoute>[] = [
    {
      id: "plugins",
      header: t.service.plugins,
      enableSorting: false,
      cell: ({ row }) => <PluginNames plugins={row.original.plugins} />,
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => (
        <Group gap="xs" wrap="nowrap">
          {!stream && <Try groupId={groupId} service={service} route={row.original} />}
          <Remove label={t.service.deleteRoute(row.original.name)} allowed={allowed} onClick={() => onDelete(row.original)} />
        </Group>
      ),
    },
  ];
  return [name, ...own, ...rest];
}

/** The way to the page that tries a request, with one that this route should answer. */
function Try({ groupId, service, route, worded }: TryProps) {
  return (
    <RowGoButton
      to="/groups/$groupId/try"
      params={{ groupId }}
      search={requestFor({ ...route }, service)}
      variant={worded ? "default" : "subtle"}
      color="gray"
      size={worded ? "xs" : "compact-sm"}
      {...(worded ? {} : { "aria-label": t.tester.tryRoute(route.name) })}
    >
      <Send size={16} aria-hidden />
      {worded && <>&nbsp;{t.tester.title}</>}
    </RowGoButton>
  );
}

interface TryProps {
  groupId: string;
  service: PublishedService;
  route: AnyRoute;
  /** With words beside the sign. */
  worded?: boolean;
}

function PluginNames({ plugins }: { plugins: Record<string, unknown> | undefined }) {
  return (
    <Group gap={4}>
      {Object.keys(plugins ?? {}).map((name) => (
        <Badge key={name} variant="default" tt="none" radius="sm" fw={500}>
          {name}
        </Badge>
      ))}
    </Group>
  );
}

interface DeleteProps {
  groupId: string;
  kind: string;
  route: AnyRoute | undefined;
  onClose: () => void;
}

function DeleteRoute({ groupId, kind, route, onClose }: DeleteProps) {
  return (
    <Deed
      to={route}
      title={({ name }) => t.service.deleteRoute(name)}
      verb={t.common.remove}
      hint={() => t.service.deleteRouteHint}
      act={({ id }) => deleteResource({ groupId, path: at(kind, id) })}
      tell={(_, { revision }) => tellLive(t.service.routeDeleted, groupId, revision)}
      stale={["group", groupId]}
      onClose={onClose}
    />
  );
}
