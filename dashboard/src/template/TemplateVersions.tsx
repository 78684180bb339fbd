/** The versions of a template: what each changed, where it runs, and the way to more groups. */
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { PublishModal } from "@/release/PublishModal";
import type { Allowed } from "@/session/permissions";
import { t } from "@/texts";
import { Changes } from "@/ui/Changes";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Time } from "@/ui/Time";

import { usePublishing } from "./publishing";
import { templateVersionsQuery, versionDiffQuery } from "./queries";
import type { Template, TemplateVersion } from "./shapes";

const words = t.template;

/** A version, and the one before it. */
type Pair = TemplateVersion & { before?: string | undefined };
type Doing = { what: "changes" | "publish"; version: Pair };

export function TemplateVersions({ template }: { template: Template }) {
  const versions = useQuery(templateVersionsQuery(template.id));
  const [doing, setDoing] = useState<Doing>();
  const publishing = usePublishing(template.id);
  return (
    <>
      <Loaded query={versions}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.noVersionsTitle} said={words.noVersions} />
          ) : (
            <DataTable
              label={words.versions}
              rows={list.map((version, index): Pair => ({ ...version, before: list[index + 1]?.version }))}
              columns={columnsOf(template.id, publishing, setDoing)}
              rowId={(version) => version.id}
              text={(version) => [version.version, version.note, version.owner, version.created_by].join(" ")}
            />
          )
        }
      </Loaded>
      {doing?.what === "changes" && doing.version.before !== undefined && (
        <Difference
          templateId={template.id}
          version={doing.version.version}
          before={doing.version.before}
          onClose={() => setDoing(undefined)}
        />
      )}
      {doing?.what === "publish" && (
        <PublishModal template={template} version={doing.version} onClose={() => setDoing(undefined)} />
      )}
    </>
  );
}

interface DifferenceProps {
  templateId: string;
  version: string;
  before: string;
  onClose: () => void;
}

function Difference({ templateId, version, before, onClose }: DifferenceProps) {
  const query = useQuery(versionDiffQuery(templateId, before, version));
  return (
    <Modal
      opened
      onClose={onClose}
      title={words.changesOf(version, before)}
      size="xl"
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      <Loaded query={query}>{({ changes, text }) => <Changes changes={changes} text={text} />}</Loaded>
    </Modal>
  );
}

function columnsOf(templateId: string, publishing: Allowed | undefined, onDo: (doing: Doing) => void): Column<Pair>[] {
  return [
    { id: "version", header: t.service.version, accessorKey: "version" },
    {
      id: "runs",
      header: words.runsIn,
      accessorFn: (version) => version.gateway_groups.length,
      cell: ({ row }) => <RunsIn templateId={templateId} version={row.original} />,
    },
    {
      id: "when",
      header: t.common.created,
      accessorKey: "created_at",
      cell: ({ row }) => <Time at={row.original.created_at} />,
    },
    { id: "by", header: t.service.by, accessorKey: "created_by" },
    { id: "owner", header: t.service.owner, accessorKey: "owner" },
    { id: "note", header: t.service.note, accessorKey: "note", enableSorting: false },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row: { original: version } }) => (
        <Group gap="xs" wrap="nowrap">
          {version.before === undefined ? (
            <Text size="sm" c="dimmed">
              {words.firstVersion}
            </Text>
          ) : (
            <Button variant="default" size="xs" onClick={() => onDo({ what: "changes", version })}>
              {words.changes}
            </Button>
          )}
          <MayButton
            allowed={publishing}
            variant="default"
            size="xs"
            onClick={() => onDo({ what: "publish", version })}
          >
            {words.publishThis}
          </MayButton>
        </Group>
      ),
    },
  ];
}

function RunsIn({ templateId, version }: { templateId: string; version: TemplateVersion }) {
  if (version.gateway_groups.length === 0) return words.nowhere;
  return (
    <Stack gap={2}>
      {version.gateway_groups.map(({ gateway_group_id: groupId, gateway_group_name: name }) => (
        <Go
          key={groupId}
          to="/groups/$groupId/services/$serviceId"
          params={{ groupId, serviceId: templateId }}
          search={{ tab: "versions" }}
          size="sm"
        >
          {name}
        </Go>
      ))}
    </Stack>
  );
}
