/** The routes of a service template, edited at the side under an address of their own; nothing is live before publishing. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { at, deleteResource } from "@/api/resources";
import { HttpRouteFields, StreamRouteFields } from "@/service/RouteFields";
import { type Allowed, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { EditDrawer } from "@/ui/EditDrawer";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { Remove } from "@/ui/Remove";
import { tell } from "@/ui/told";

import { type TemplateRoute, templateRoutesQuery } from "./queries";
import type { Template } from "./shapes";

const words = t.template;

interface Props {
  template: Template;
  /** The id of the route that is edited, or "new". */
  edit: string | undefined;
  onEdit: (edit: string | undefined) => void;
}

export function TemplateRoutes({ template, edit, onEdit }: Props) {
  const stream = template.type === "stream";
  const kind = stream ? "stream_routes" : "routes";
  const action = stream ? "StreamRouteTemplate" : "RouteTemplate";
  const query = useQuery(templateRoutesQuery(template.id, kind));
  const [leaving, setLeaving] = useState<TemplateRoute>();
  const permissions = usePermissions({ serviceId: template.id });
  const add = (
    <Add allowed={permissions[`Create${action}`]} onClick={() => onEdit("new")}>
      {t.service.addRoute}
    </Add>
  );
  return (
    <>
      <Loaded query={query}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.noRoutesTitle} said={words.noRoutes}>
              {add}
            </Empty>
          ) : (
            <DataTable
              label={words.routes}
              rows={list}
              columns={columnsOf(stream, template.id, permissions[`Delete${action}`], setLeaving)}
              rowId={(route) => route.id}
              text={(route) => [route.name, route.id, ...(route.paths ?? []), ...(route.methods ?? [])].join(" ")}
              tools={add}
            />
          )
        }
      </Loaded>
      <EditDrawer
        opened={edit !== undefined}
        title={edit === "new" ? t.service.addRoute : t.service.editRoute(query.data?.find(({ id }) => id === edit)?.name ?? "")}
        place={{ path: edit === "new" || edit === undefined ? `${kind}/template` : `${kind}/template/${at(edit)}` }}
        fresh={edit === "new" ? { name: "", service_id: template.id, ...(stream ? {} : { paths: [] }) } : undefined}
        allowed={permissions[`${edit === "new" ? "Create" : "Update"}${action}`]}
        fields={stream ? StreamRouteFields : HttpRouteFields}
        done={edit === "new" ? words.routeAdded : words.routeSaved}
        onClose={() => onEdit(undefined)}
      />
      <Deed
        to={leaving}
        title={({ name }) => words.deleteRoute(name)}
        verb={t.common.remove}
        hint={() => words.deleteRouteHint}
        act={({ id }) => deleteResource({ path: `${kind}/template/${at(id)}` })}
        tell={({ name }) => tell(words.routeDeleted(name))}
        stale={["templates"]}
        onClose={() => setLeaving(undefined)}
      />
    </>
  );
}

function columnsOf(
  stream: boolean,
  templateId: string,
  /** Whether they may be deleted. */
  allowed: Allowed | undefined,
  onDelete: (route: TemplateRoute) => void,
): Column<TemplateRoute>[] {
  const own: Column<TemplateRoute>[] = stream
    ? [
        { id: "port", header: t.service.port, accessorKey: "server_port" },
        { id: "sni", header: t.service.sni, accessorKey: "sni" },
      ]
    : [
        { id: "paths", header: t.service.paths, accessorFn: (route) => (route.paths ?? []).join(", ") },
        { id: "methods", header: t.service.methods, accessorFn: (route) => (route.methods ?? []).join(", ") || t.common.all },
      ];
  return [
    {
      id: "name",
      header: t.service.name,
      accessorKey: "name",
      cell: ({ row }) => (
        <Go to="/templates/$templateId" params={{ templateId }} search={{ edit: row.original.id }}>
          {row.original.name}
        </Go>
      ),
    },
    ...own,
    { id: "plugins", header: t.service.plugins, accessorFn: (route) => Object.keys(route.plugins ?? {}).join(", ") },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => (
        <Remove
          label={words.deleteRoute(row.original.name)}
          allowed={allowed}
          onClick={() => onDelete(row.original)}
        />
      ),
    },
  ];
}
