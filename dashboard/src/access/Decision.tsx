/** A decision explained: the answer, who gave it, and what everybody who was asked said. */
import { Code, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { type Look, State } from "@/ui/State";

import { policiesQuery, type Explained } from "./queries";
import type { Statement } from "./shapes";

const words = t.access.why;
const LOOK: Record<Asked["says"], Look> = { allow: "good", deny: "bad", nothing: "plain" };
type Asked = Explained["asked"][number];

export function Decision({ decision }: { decision: Explained }) {
  const policies = useQuery({ ...policiesQuery, retry: false }).data ?? [];
  const decided = decision.asked.find(({ name, statement }) => name === decision.policy && statement === decision.statement);
  const statement = policies.find(({ id }) => id === decided?.id)?.statement[decision.statement ?? -1];
  return (
    <Stack component="section" aria-label={decision.allowed ? words.allowed : words.denied}>
      <Paper withBorder p="md">
        <Stack gap="xs">
          <Group gap="sm" role="status">
            <State look={decision.allowed ? "good" : "bad"}>{decision.allowed ? words.allowed : words.denied}</State>
            <Text>{words.because(decision.reason)}</Text>
          </Group>
          {decided && <Decided asked={decided} statement={statement} />}
          {Object.entries(decision.labels).map(([of, labels]) => (
            <Group key={of} gap="xs">
              <Text size="sm">
                {words.labels}: {t.access.policies.labels[of] ?? of}
              </Text>
              <Labels labels={labels} />
            </Group>
          ))}
        </Stack>
      </Paper>
      <Title order={2} size="h4">
        {words.asked}
      </Title>
      {decision.asked.length === 0 ? (
        <Text c="dimmed">{words.noPolicies}</Text>
      ) : (
        <DataTable
          label={words.asked}
          rows={decision.asked}
          columns={COLUMNS}
          rowId={({ id, boundary }) => `${id} ${String(boundary)}`}
          maxHeight="40vh"
        />
      )}
    </Stack>
  );
}

function Decided({ asked, statement }: { asked: Asked; statement: Statement | undefined }) {
  return (
    <>
      <Text size="sm">
        {words.decidedBy} <PolicyName asked={asked} />
        {asked.statement !== undefined && `, ${t.access.policies.statement(asked.statement).toLowerCase()}`}
      </Text>
      {statement && (
        <Code block className="pre" tabIndex={0}>
          {JSON.stringify(statement, null, 2)}
        </Code>
      )}
    </>
  );
}

function PolicyName({ asked: { id, name } }: { asked: Asked }) {
  if (!id) return name;
  return (
    <Go to="/policies/$policyId" params={{ policyId: id }} size="sm" className="break">
      {name}
    </Go>
  );
}

const COLUMNS: Column<Asked>[] = [
  { id: "policy", header: words.policy, accessorKey: "name", cell: ({ row }) => <PolicyName asked={row.original} /> },
  {
    id: "through",
    header: words.through,
    accessorFn: ({ roles, boundary }) => (boundary ? words.boundary : roles.join(", ")),
  },
  {
    id: "says",
    header: words.says,
    accessorKey: "says",
    cell: ({ row: { original } }) => <State look={LOOK[original.says]}>{words.answers[original.says]}</State>,
  },
  { id: "statement", header: words.statement, accessorFn: ({ statement }) => statement ?? "" },
];
