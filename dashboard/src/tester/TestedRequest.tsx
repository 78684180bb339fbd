/** What became of a request: the answer, who gave it, and what each plugin on the way did. */
import { Alert, Code, Group, ScrollArea, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { instancesQuery } from "@/api/queries";
import { milliseconds } from "@/monitoring/figures";
import { t } from "@/texts";
import { Facts } from "@/ui/Facts";
import { Go } from "@/ui/Go";
import { Section } from "@/ui/Section";
import { type Look, State } from "@/ui/State";

import { said } from "./details";
import type { Answered, PluginOutcome, Tested } from "./queries";

const words = t.tester;
const LOOKS: Record<PluginOutcome["outcome"], Look> = {
  ran: "good",
  answered: "warning",
  not_reached: "plain",
  conditional: "waiting",
};

interface Props {
  groupId: string;
  tested: Tested;
}

export function TestedRequest({ groupId, tested }: Props) {
  const known = useQuery({ ...instancesQuery(groupId), retry: false }).data ?? [];
  const instance = known.find(({ id }) => id === tested.instance_id)?.hostname ?? tested.instance_id;
  if (tested.state !== "answered") {
    return (
      <Alert variant="outline" color="red" title={words.states[tested.state]} role="alert">
        {tested.reason}
        {tested.instance_id !== "" && <Text size="sm">{words.by(instance)}</Text>}
      </Alert>
    );
  }
  return (
    <>
      <Section title={words.answer}>
        <Group gap="xs">
          <State look={lookOf(tested.response.status)}>{String(tested.response.status)}</State>
          <Text size="sm">{words.took(milliseconds(tested.seconds * 1000), instance, tested.revision)}</Text>
        </Group>
        {tested.reason && (
          <Alert variant="outline" color="orange">
            {tested.reason}
          </Alert>
        )}
        <Facts label={words.answer} facts={factsOf(groupId, tested)} />
      </Section>
      {tested.answered_by && <Plugins answered={tested} />}
      <Response response={tested.response} />
    </>
  );
}

function lookOf(status: number): Look {
  return status >= 500 ? "bad" : status >= 400 ? "warning" : "good";
}

function factsOf(groupId: string, answered: Answered) {
  const { answered_by: by, route, consumer, upstream, details } = answered;
  const service = route && (
    <Go to="/groups/$groupId/services/$serviceId" params={{ groupId, serviceId: route.service_id }} size="sm">
      {route.service_name}
    </Go>
  );
  const own = route && (
    <Go
      to="/groups/$groupId/services/$serviceId"
      params={{ groupId, serviceId: route.service_id }}
      search={{ edit: route.route_id }}
      size="sm"
    >
      {route.route_name}
    </Go>
  );
  return [
    [words.answeredBy, by && (by.kind === "plugin" ? words.kinds.plugin(by.plugin) : words.kinds[by.kind])],
    [words.service, service ?? (by && words.noRoute)],
    [words.route, own],
    [words.consumer, consumer],
    [words.upstream, upstream],
    [words.details, details && <Details details={details} />],
  ] as const;
}

function Details({ details }: { details: string }) {
  const meaning = said(details);
  return (
    <>
      {meaning && <Text size="sm">{meaning}</Text>}
      <Code className="break">{details}</Code>
    </>
  );
}

function Plugins({ answered: { plugins } }: { answered: Answered }) {
  return (
    <Section title={words.plugins} said={plugins.length === 0 ? words.noPlugins : words.pluginsHint}>
      {plugins.length > 0 && (
        <Table.ScrollContainer minWidth={420} type="native" tabIndex={0}>
          <Table aria-label={words.plugins}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{words.plugin}</Table.Th>
                <Table.Th>{words.from}</Table.Th>
                <Table.Th>{words.outcome}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {plugins.map((plugin, index) => (
                <Table.Tr key={index}>
                  <Table.Td>{plugin.name}</Table.Td>
                  <Table.Td>
                    {words.owners[plugin.from]} <Code>{plugin.from_id}</Code>
                  </Table.Td>
                  <Table.Td>
                    <State look={LOOKS[plugin.outcome]}>{words.outcomes[plugin.outcome]}</State>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Section>
  );
}

function Response({ response: { headers, body, body_encoding: encoding, truncated } }: Pick<Answered, "response">) {
  return (
    <>
      <Section title={words.headers}>
        <Facts label={words.headers} facts={headers.map(([name, value]) => [name, value] as const)} />
      </Section>
      <Section title={words.responseBody} {...(truncated ? { said: words.truncated } : {})}>
        {body === "" ? (
          <Text c="dimmed">{words.noBody}</Text>
        ) : encoding === "base64" ? (
          <Text>{words.binary(atob(body).length)}</Text>
        ) : (
          <ScrollArea.Autosize mah={420} viewportProps={{ tabIndex: 0, role: "region", "aria-label": words.responseBody }}>
            <Code block className="pre">
              {body}
            </Code>
          </ScrollArea.Autosize>
        )}
      </Section>
    </>
  );
}
