/** One statement of a policy as a form: allow or deny, which actions, with what, and where. */
import { ActionIcon, Group, Paper, SegmentedControl, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Copy, Trash2 } from "lucide-react";

import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";

import { Conditions } from "./Conditions";
import { PatternsInput } from "./PatternsInput";
import { covered } from "./patterns";
import type { Vocabulary } from "./queries";
import { actionsOf, resourcesOf } from "./suggestions";
import type { Statement } from "./shapes";
import { conditionsIn, withConditions } from "./statement";

const words = t.access.policies;

interface Props {
  number: number;
  value: Statement;
  vocabulary: Vocabulary;
  readOnly: boolean;
  /** What the API refuses about a part of it. */
  refused: (part: string) => string | undefined;
  onChange: (value: Statement) => void;
  onCopy: () => void;
  onRemove: () => void;
}

export function StatementCard({ number, value, vocabulary, readOnly, refused, onChange, onCopy, onRemove }: Props) {
  const groups = useQuery(groupsQuery).data ?? [];
  const names = [...new Set(vocabulary.actions.map(({ action }) => action))];
  const some = covered(value.actions, names, (name) => name).length;
  return (
    <Paper withBorder p="md" component="section" aria-label={words.statement(number)}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="sm">
            <Title order={3} size="h5">
              {words.statement(number)}
            </Title>
            <SegmentedControl
              aria-label={words.effect}
              size="xs"
              data={[
                { value: "allow", label: words.allow },
                { value: "deny", label: words.deny },
              ]}
              value={value.effect ?? "allow"}
              onChange={(effect) => onChange({ ...value, effect })}
              readOnly={readOnly}
            />
          </Group>
          {!readOnly && (
            <Group gap={4}>
              <ActionIcon variant="default" aria-label={words.copyStatement(number)} onClick={onCopy}>
                <Copy size={16} aria-hidden />
              </ActionIcon>
              <ActionIcon variant="default" aria-label={words.removeStatement(number)} onClick={onRemove}>
                <Trash2 size={16} aria-hidden />
              </ActionIcon>
            </Group>
          )}
        </Group>
        <PatternsInput
          label={words.actions}
          description={words.actionsHint}
          value={value.actions}
          suggestions={actionsOf(names)}
          said={(action) => vocabulary.actions.find((each) => each.action === action)?.operations.join(", ")}
          means={some > 0 ? words.covers(some, names.length) : words.coversNothing}
          error={refused("actions")}
          readOnly={readOnly}
          onChange={(actions) => onChange({ ...value, actions })}
        />
        <PatternsInput
          label={words.resources}
          description={words.resourcesHint}
          value={value.resources}
          suggestions={resourcesOf(vocabulary, groups)}
          said={(resource) => groups.find(({ id }) => resource.includes(`gatewaygroup/${id}`))?.name}
          error={refused("resources")}
          readOnly={readOnly}
          onChange={(resources) => onChange({ ...value, resources })}
        />
        <Conditions
          value={conditionsIn(value)}
          known={vocabulary.conditions}
          readOnly={readOnly}
          onChange={(conditions) => onChange(withConditions(value, conditions))}
        />
      </Stack>
    </Paper>
  );
}
