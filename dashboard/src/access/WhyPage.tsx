/** Asks for a decision and explains it: allowed or denied, by which statement of which policy. */
import { Autocomplete, Select, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { groupsQuery, matrixQuery } from "@/api/queries";
import { usersQuery } from "@/organisation/queries";
import { may, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Empty } from "@/ui/Empty";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";

import { Decision } from "./Decision";
import { decisionQuery, type Vocabulary, vocabularyQuery } from "./queries";
import { asked, type Question } from "./search";
import { filled } from "./suggestions";

const words = t.access.why;
/** Hints below, so that inputs side by side stand at one height. */
const BELOW: ("label" | "input" | "description" | "error")[] = ["label", "input", "description", "error"];

export function WhyPage({ question }: { question: Question }) {
  const vocabulary = useQuery(vocabularyQuery);
  const decision = useQuery(decisionQuery(question));
  const complete = question.action !== undefined && question.resource !== undefined;
  return (
    <Page title={words.title} said={words.hint}>
      <Loaded query={vocabulary}>{(known) => <Asking question={question} vocabulary={known} />}</Loaded>
      {complete ? (
        <Loaded query={decision}>{(found) => <Decision decision={found} />}</Loaded>
      ) : (
        <Empty title={words.nothing} said={words.nothingHint} />
      )}
    </Page>
  );
}

function Asking({ question, vocabulary }: { question: Question; vocabulary: Vocabulary }) {
  const navigate = useNavigate();
  const users = useQuery(usersQuery).data ?? [];
  const only = may(usePermissions()["ExplainDecision"]);
  const ask = (part: Question) => void navigate({ to: "/why", search: { ...question, ...part }, replace: true });
  const names = [...new Set(vocabulary.actions.map(({ action }) => action))];
  const lets = vocabulary.actions.find(({ action }) => action === question.action)?.operations ?? [];
  const paste = (said: string) => {
    const found = asked(said);
    if (found) ask(found);
  };
  return (
    <Stack component="section" aria-label={words.title}>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Select
          label={words.user}
          inputWrapperOrder={BELOW}
          description={only && words.onlyYou}
          placeholder={words.you}
          data={users.map(({ id, username }) => ({ value: id, label: username }))}
          value={question.user ?? null}
          onChange={(user) => ask({ user: user ?? undefined })}
          disabled={only !== undefined}
          searchable
          clearable
        />
        <TextInput
          label={words.refusal}
          inputWrapperOrder={BELOW}
          description={words.refusalHint}
          value=""
          onChange={(event) => paste(event.currentTarget.value)}
        />
        <Select
          label={words.action}
          inputWrapperOrder={BELOW}
          description={lets.length > 0 ? words.lets(lets.join(", ")) : undefined}
          data={names}
          value={question.action ?? null}
          onChange={(action) => ask({ action: action ?? undefined })}
          searchable
          clearable
          nothingFoundMessage={t.common.findNothing}
        />
        <Resource key={question.resource} question={question} vocabulary={vocabulary} onAsk={ask} />
        <Consumer key={`consumer ${question.consumer ?? ""}`} question={question} onAsk={ask} />
      </SimpleGrid>
    </Stack>
  );
}

interface PartProps {
  question: Question;
  onAsk: (part: Question) => void;
}

function Resource({ question, vocabulary, onAsk }: PartProps & { vocabulary: Vocabulary }) {
  const groups = useQuery(groupsQuery).data ?? [];
  const matrix = useQuery({ ...matrixQuery, refetchInterval: false }).data;
  const all = vocabulary.actions.filter(({ action }) => !question.action || action === question.action);
  const shapes = [...new Set(all.map(({ resource }) => resource))];
  const services = (matrix?.services ?? []).flatMap((service) =>
    Object.keys(service.groups).map((group) => ({ group, service: service.service_id })),
  );
  const found = shapes.flatMap((shape) => [
    filled(shape, {}),
    ...(shape.includes("{group}") ? groups.map(({ id }) => filled(shape, { group: id })) : []),
    ...(shape.includes("{service}") ? services.map((names) => filled(shape, names)) : []),
  ]);
  const submit = (resource: string) => {
    const wanted = resource.trim() || undefined;
    if (wanted !== question.resource) onAsk({ resource: wanted });
  };
  return (
    <Autocomplete
      label={words.resource}
      inputWrapperOrder={BELOW}
      description={words.resourceHint}
      data={[...new Set(found)]}
      defaultValue={question.resource ?? ""}
      onOptionSubmit={submit}
      onBlur={(event) => submit(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Enter" && submit(event.currentTarget.value)}
      limit={50}
    />
  );
}

function Consumer({ question, onAsk }: PartProps) {
  const submit = (consumer: string) => {
    const wanted = consumer.trim() || undefined;
    if (wanted !== question.consumer) onAsk({ consumer: wanted });
  };
  return (
    <TextInput
      label={words.consumer}
      inputWrapperOrder={BELOW}
      description={words.consumerHint}
      defaultValue={question.consumer ?? ""}
      onBlur={(event) => submit(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Enter" && submit(event.currentTarget.value)}
    />
  );
}
