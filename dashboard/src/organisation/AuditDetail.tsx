/** One entry of the audit log: who asked for what from where, and the difference it made. */
import { Drawer, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { t } from "@/texts";
import { Changes } from "@/ui/Changes";
import { Loaded } from "@/ui/Loaded";
import { Time } from "@/ui/Time";

import { about, Outcome } from "./entry";
import { answered, type AuditEntry, differenceQuery, ownDifferenceQuery } from "./queries";

const words = t.organisation.audit;

interface Props {
  entry: AuditEntry;
  groupName: (id: string) => string;
  onClose: () => void;
}

export function AuditDetail({ entry, groupName, onClose }: Props) {
  const { http_request: request, http_response: response, gateway_group_id: group } = entry;
  const facts: [string, ReactNode][] = [
    [words.when, <Time key="when" at={entry.event_time} />],
    [words.who, entry.operator.username || t.common.unknown],
    [words.about, about(entry)],
    [words.group, group && groupName(group)],
    [words.outcome, <Outcome key="outcome" entry={entry} />],
    [words.request, `${request.method} ${request.uri}`],
    [words.source, entry.source],
    [words.token, entry.token_name],
    [words.address, entry.ip_address],
    [words.requestId, entry.request_id],
  ];
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="xl"
      title={entry.event_type}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      <Stack>
        <Table variant="vertical" layout="fixed" aria-label={entry.event_type}>
          <Table.Tbody>
            {facts.map(([name, said]) =>
              said ? (
                <Table.Tr key={name}>
                  <Table.Th w="30%" scope="row">
                    {name}
                  </Table.Th>
                  <Table.Td className="break">{said}</Table.Td>
                </Table.Tr>
              ) : null,
            )}
          </Table.Tbody>
        </Table>
        {group && response.status_code < 400 && request.method !== "GET" && (
          <Part title={words.difference}>
            <Difference groupId={group} entry={entry} />
          </Part>
        )}
        {!group && hasOwn(entry) && (
          <Part title={words.difference}>
            <OwnDifference entry={entry} />
          </Part>
        )}
        <Body title={words.sent} body={request.body} />
        <Body title={words.answered} body={response.body} />
      </Stack>
    </Drawer>
  );
}

function Difference({ groupId, entry }: { groupId: string; entry: AuditEntry }) {
  const difference = useQuery(differenceQuery(groupId, entry.request_id, entry.event_time));
  return (
    <Loaded query={difference}>
      {(found) => (found ? <Changes {...found} /> : <Text c="dimmed">{words.notKept}</Text>)}
    </Loaded>
  );
}

/** Whether the log itself tells what the thing was made into. */
function hasOwn(entry: AuditEntry): boolean {
  const { method } = entry.http_request;
  return entry.resource_id !== undefined && (method === "DELETE" ? entry.http_response.status_code < 400 : answered(entry) !== undefined);
}

function OwnDifference({ entry }: { entry: AuditEntry }) {
  const difference = useQuery(ownDifferenceQuery(entry));
  return <Loaded query={difference}>{(found) => <Changes {...found} />}</Loaded>;
}

function Body({ title, body }: { title: string; body: unknown }) {
  if (body === undefined || body === null) return null;
  return (
    <Part title={title}>
      <Text component="pre" ff="monospace" size="sm" className="pre" m={0}>
        {JSON.stringify(body, null, 2)}
      </Text>
    </Part>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap={4}>
      <Title order={2} size="h5">
        {title}
      </Title>
      {children}
    </Stack>
  );
}
