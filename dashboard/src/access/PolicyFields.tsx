/** The form of a policy: its name, what is said of it, and its statements one after the other. */
import { Alert, Button, Group, Stack, Text, Textarea, TextInput, Title } from "@mantine/core";
import { Plus } from "lucide-react";

import type { Json } from "@/api/resources";
import type { Labels } from "@/api/shapes";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { LabelsInput } from "@/ui/Labels";

import type { Vocabulary } from "./queries";
import type { Statement } from "./shapes";
import { FRESH, statementsOf } from "./statement";
import { StatementCard } from "./StatementCard";

const words = t.access.policies;

interface Props {
  body: Json;
  vocabulary: Vocabulary;
  readOnly: boolean;
  error: Error | null;
  onChange: (body: Json) => void;
}

export function PolicyFields({ body, vocabulary, readOnly, error, onChange }: Props) {
  const statements = statementsOf(body);
  const change = (part: Json) => onChange({ ...body, ...part });
  const put = (statement: Statement[]) => change({ statement });
  return (
    <Stack>
      <TextInput
        label={t.common.name}
        value={text(body["name"])}
        onChange={(event) => change({ name: event.currentTarget.value })}
        error={fieldError(error, "/name")}
        readOnly={readOnly}
        maxLength={100}
        required
        maw={520}
      />
      <Textarea
        label={t.common.description}
        value={text(body["desc"])}
        onChange={(event) => change({ desc: event.currentTarget.value })}
        readOnly={readOnly}
        autosize
        maw={520}
      />
      {!readOnly && (
        <LabelsInput label={t.common.labels} value={labelsOf(body)} onChange={(labels) => change({ labels })} />
      )}
      <div>
        <Title order={2} size="h4">
          {words.statements}
        </Title>
        <Text size="sm" c="dimmed">
          {words.statementsHint}
        </Text>
      </div>
      {fieldError(error, "/statement") && (
        <Alert color="red" variant="outline" role="alert">
          {fieldError(error, "/statement")}
        </Alert>
      )}
      {statements.map((statement, index) => (
        <StatementCard
          key={index}
          number={index}
          value={statement}
          vocabulary={vocabulary}
          readOnly={readOnly}
          refused={(part) => fieldError(error, `/statement/${index}/${part}`)}
          onChange={(next) => put(statements.map((each, at) => (at === index ? next : each)))}
          onCopy={() => put([...statements.slice(0, index + 1), statement, ...statements.slice(index + 1)])}
          onRemove={() => put(statements.filter((_, at) => at !== index))}
        />
      ))}
      {!readOnly && (
        <Group>
          <Button
            variant="default"
            leftSection={<Plus size={16} aria-hidden />}
            onClick={() => put([...statements, FRESH])}
          >
            {words.addStatement}
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function text(given: unknown): string {
  return typeof given === "string" ? given : "";
}

function labelsOf(body: Json): Labels {
  const labels = body["labels"];
  return typeof labels === "object" && labels !== null ? (labels as Labels) : {};
}
