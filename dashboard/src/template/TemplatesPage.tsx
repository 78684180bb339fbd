/** The hub of service templates: what can be published, and how far each has come. */
import { ActionIcon, Badge, Group } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Copy, Download, FileInput } from "lucide-react";
import { useState } from "react";

import { exportOpenApi } from "@/openapi/calls";
import { may, type Permissions, permissionsQuery, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { EditDrawer } from "@/ui/EditDrawer";
import { Empty } from "@/ui/Empty";
import { ErrorNote } from "@/ui/ErrorNote";
import { Go, GoButton } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { Time } from "@/ui/Time";

import { Clone } from "./Clone";
import { templatesQuery } from "./queries";
import { RemoveTemplate } from "./RemoveTemplate";
import type { Template } from "./shapes";
import { TemplateFields } from "./TemplateFields";

const words = t.template;
type Doing = { what: "clone" | "remove"; template: Template };

export function TemplatesPage({ adding }: { adding: boolean }) {
  const templates = useQuery(templatesQuery);
  const permissions = usePermissions();
  const navigate = useNavigate();
  const [doing, setDoing] = useState<Doing>();
  const show = (add: true | undefined) => void navigate({ to: "/templates", search: { add } });
  const add = <Adding allowed={permissions} onAdd={() => show(true)} />;
  return (
    <Page title={words.title} said={words.hint} actions={add}>
      <Loaded query={templates}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.emptyTitle} said={words.empty}>
              <Group justify="center">{add}</Group>
            </Empty>
          ) : (
            <DataTable
              label={words.title}
              rows={list}
              columns={columnsOf(permissions, setDoing)}
              rowId={(template) => template.id}
              text={textOf}
              tools={<ExportAll permissions={permissions} />}
            />
          )
        }
      </Loaded>
      <EditDrawer
        opened={adding}
        title={words.add}
        place={{ path: "services/template" }}
        fresh={{ name: "", type: "http" }}
        allowed={permissions["CreateServiceTemplate"]}
        fields={TemplateFields}
        done={words.added}
        onClose={() => show(undefined)}
      />
      {doing?.what === "clone" && <Clone template={doing.template} onClose={() => setDoing(undefined)} />}
      <RemoveTemplate template={doing?.what === "remove" ? doing.template : undefined} onClose={() => setDoing(undefined)} />
    </Page>
  );
}

function Adding({ allowed, onAdd }: { allowed: Permissions; onAdd: () => void }) {
  return (
    <>
      <GoButton to="/templates/import" variant="default" leftSection={<FileInput size={16} aria-hidden />}>
        {words.fromOpenApi}
      </GoButton>
      <Add allowed={allowed["CreateServiceTemplate"]} onClick={onAdd}>{words.add}</Add>
    </>
  );
}

function ExportAll({ permissions }: { permissions: Permissions }) {
  const save = useMutation({ mutationFn: () => exportOpenApi("services") });
  return (
    <>
      <MayButton
        allowed={permissions["ExportService"]}
        variant="default"
        leftSection={<Download size={16} aria-hidden />}
        loading={save.isPending}
        onClick={() => save.mutate()}
      >
        {words.exportAll}
      </MayButton>
      {save.error && <ErrorNote error={save.error} />}
    </>
  );
}

function textOf({ id, name, desc, labels }: Template): string {
  return [id, name, desc, ...Object.entries(labels ?? {}).map((pair) => pair.join(":"))].join(" ");
}

function columnsOf(permissions: Permissions, onDo: (doing: Doing) => void): Column<Template>[] {
  return [
    {
      id: "name",
      header: words.name,
      accessorKey: "name",
      cell: ({ row }) => (
        <Go to="/templates/$templateId" params={{ templateId: row.original.id }}>
          {row.original.name}
        </Go>
      ),
    },
    { id: "type", header: words.type, accessorFn: ({ type = "http" }) => t.service.types[type] },
    {
      id: "labels",
      header: t.common.labels,
      enableSorting: false,
      cell: ({ row }) => <Labels labels={row.original.labels} />,
    },
    {
      id: "published",
      header: words.published,
      accessorKey: "published_gateway_groups_count",
      cell: ({ row }) => <Spread template={row.original} />,
    },
    {
      id: "last",
      header: words.lastPublished,
      accessorFn: (template) => template.last_published ?? 0,
      cell: ({ row }) => <Time at={row.original.last_published} />,
    },
    {
      id: "changed",
      header: t.common.changed,
      accessorKey: "updated_at",
      cell: ({ row }) => <Time at={row.original.updated_at} />,
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row: { original: template } }) => (
        <Actions template={template} everywhere={permissions} onDo={onDo} />
      ),
    },
  ];
}

interface ActionsProps {
  template: Template;
  /** What may be done with every template. */
  everywhere: Permissions;
  onDo: (doing: Doing) => void;
}

function Actions({ template, everywhere, onDo }: ActionsProps) {
  // who may not delete all of them may still delete this one
  const limited = may(everywhere["DeleteServiceTemplate"]) !== undefined;
  const own = useQuery({ ...permissionsQuery({ serviceId: template.id }), enabled: limited }).data ?? {};
  const uncloned = may(everywhere["CreateServiceTemplate"]);
  return (
    <Group gap="xs" wrap="nowrap">
      <ActionIcon
        variant="default"
        aria-label={words.cloneOf(template.name)}
        title={uncloned ?? words.clone}
        disabled={uncloned !== undefined}
        onClick={() => onDo({ what: "clone", template })}
      >
        <Copy size={16} aria-hidden />
      </ActionIcon>
      <Remove
        label={words.remove(template.name)}
        allowed={limited ? own["DeleteServiceTemplate"] : true}
        onClick={() => onDo({ what: "remove", template })}
      />
    </Group>
  );
}

/** On how many gateway groups a template is. */
export function Spread({ template }: { template: Template }) {
  return (
    <Badge variant="default" tt="none" radius="sm" fw={500}>
      {words.publishedTo(template.published_gateway_groups_count)}
    </Badge>
  );
}
