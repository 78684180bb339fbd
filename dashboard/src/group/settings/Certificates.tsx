/** The certificates that instances of a gateway group have, those that were handed out as files, and new ones. */
import { Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import { instancesQuery } from "@/api/queries";
import { type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { ErrorNote } from "@/ui/ErrorNote";
import { Expiry } from "@/ui/Expiry";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Once } from "@/ui/Once";
import { Permitted } from "@/ui/Permitted";
import { Section } from "@/ui/Section";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { certificatesQuery, inGroup, type NodeCertificate } from "./queries";

export function Certificates({ groupId }: { groupId: string }) {
  const permissions = usePermissions({ groupId });
  const certificates = useQuery({ ...certificatesQuery(groupId), enabled: permissions["ListClientCertificates"] === true });
  const names = new Map((useQuery({ ...instancesQuery(groupId), enabled: permissions["ListInstances"] === true }).data ?? []).map(({ id, hostname }) => [id, hostname]));
  const [leaving, setLeaving] = useState<NodeCertificate>();
  return (
    <Section title={t.settings.certificates} said={t.settings.certificatesHint} actions={<Issue groupId={groupId} />}>
      <Permitted allowed={permissions["ListClientCertificates"]}>
        <Loaded query={certificates} lines={2}>
          {(list) =>
            list.length === 0 ? (
              <Text c="dimmed">{t.settings.noCertificates}</Text>
            ) : (
              <DataTable
                label={t.settings.certificates}
                rows={list}
                columns={columnsOf(permissions, (id) => names.get(id) ?? id, setLeaving)}
                rowId={(certificate) => certificate.id}
                text={({ id, instance_id: instance }) => `${id} ${instance} ${names.get(instance) ?? ""}`}
                maxHeight={360}
              />
            )
          }
        </Loaded>
      </Permitted>
      <Deed
        to={leaving}
        title={({ id }) => t.settings.revokeOne(id)}
        verb={t.settings.revoke}
        hint={() => t.settings.revokeHint}
        act={({ id }) =>
          api.DELETE("/api/gateway_groups/{gateway_group_id}/dp_client_certificates/{id}", {
            params: { path: { gateway_group_id: groupId, id } },
          })
        }
        tell={() => tell(t.settings.revoked)}
        stale={["group", groupId]}
        onClose={() => setLeaving(undefined)}
      />
    </Section>
  );
}

/** Hands out a join bundle. */
function Issue({ groupId }: { groupId: string }) {
  const allowed = usePermissions({ groupId })["CreateClientCertificate"];
  const queries = useQueryClient();
  const issue = useMutation({
    mutationFn: async () => {
      const options = { params: inGroup(groupId), body: {} } as never;
      const call = api.POST("/api/gateway_groups/{gateway_group_id}/dp_client_certificates", options);
      return (await shaped<{ value: { bundle: string } }>(call)).value.bundle;
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: certificatesQuery(groupId).queryKey }),
  });
  return (
    <>
      {issue.error && <ErrorNote error={issue.error} />}
      <MayButton allowed={allowed} variant="default" loading={issue.isPending} onClick={() => issue.mutate()}>
        {t.settings.bundle}
      </MayButton>
      <Once
        title={t.settings.bundleMade}
        secret={issue.data}
        said={`${t.settings.bundleUse} ${t.settings.bundleHint}`}
        onClose={() => issue.reset()}
      />
    </>
  );
}

function columnsOf(
  permissions: Permissions,
  name: (id: string) => string,
  onRevoke: (certificate: NodeCertificate) => void,
): Column<NodeCertificate>[] {
  return [
    { id: "id", header: t.settings.serial, accessorKey: "id", cell: ({ row }) => <span className="break">{row.original.id}</span> },
    {
      id: "instance",
      header: t.settings.instance,
      accessorFn: ({ instance_id: id }) => (id ? name(id) : t.settings.asFile),
      cell: ({ row: { original } }) => (
        <span className="break">{original.instance_id ? name(original.instance_id) : t.settings.asFile}</span>
      ),
    },
    {
      id: "with",
      header: t.settings.joinedWith,
      accessorKey: "joined_with",
      cell: ({ row }) => <span className="break">{row.original.joined_with || "–"}</span>,
    },
    {
      id: "created",
      header: t.common.created,
      accessorKey: "created_at",
      cell: ({ row }) => <Time at={row.original.created_at} />,
    },
    {
      id: "ends",
      header: t.settings.ends,
      accessorKey: "expiry",
      cell: ({ row: { original } }) =>
        original.revoked_at === undefined ? (
          <Expiry at={original.expiry} soon={7} />
        ) : (
          <State look="bad">{t.settings.isRevoked}</State>
        ),
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row: { original } }) =>
        original.revoked_at === undefined && (
          <MayButton
            allowed={permissions["RevokeClientCertificate"]}
            size="xs"
            variant="default"
            aria-label={t.settings.revokeOne(original.id)}
            onClick={() => onRevoke(original)}
          >
            {t.settings.revoke}
          </MayButton>
        ),
    },
  ];
}
