/** A difference as the API tells it: in words, and field by field with what was and what will be side by side. */
import { Button, Code, Group, List, Paper, Stack, Table, Tabs, Text, VisuallyHidden } from "@mantine/core";

import { type ReactNode, useState } from "react";

import type { Change, FieldChange } from "@/api/shapes";
import { t } from "@/texts";

import classes from "./Changes.module.css";
import { State } from "./State";

/** Of thousands of lines, so many are drawn at first. */
const STEP = 100;
const LOOK = { added: "good", removed: "bad", changed: "waiting" } as const;

/** What the two sides are called; by default before and after. */
type Sides = readonly [string, string];
const USUALLY: Sides = [t.release.before, t.release.after];

export function Changes({ changes, text, sides = USUALLY }: { changes: Change[]; text: string[]; sides?: Sides }) {
  if (changes.length === 0) return <Text c="dimmed">{t.release.noChanges}</Text>;
  return (
    <Stack gap="xs">
      <Summary changes={changes} />
      <Tabs defaultValue="words" keepMounted={false}>
        <Tabs.List aria-label={t.release.changes}>
          <Tabs.Tab value="words">{t.release.inWords}</Tabs.Tab>
          <Tabs.Tab value="sides">{t.release.sideBySide}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="words" pt="sm">
          <Some
            of={text}
            draw={(lines) => (
              <List size="sm" spacing={4}>
                {lines.map((line, index) => (
                  <List.Item key={index} className="break">
                    {line}
                  </List.Item>
                ))}
              </List>
            )}
          />
        </Tabs.Panel>
        <Tabs.Panel value="sides" pt="sm">
          <Some
            of={changes}
            draw={(some) => (
              <Stack gap="sm">
                {some.map((change) => (
                  <OneChange key={`${change.kind}/${change.parent ?? ""}/${change.id}`} change={change} sides={sides} />
                ))}
              </Stack>
            )}
          />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

/** How many were added, changed, removed. */
function Summary({ changes }: { changes: Change[] }) {
  return (
    <Group gap="xs">
      {(["added", "changed", "removed"] as const).map((action) => {
        const count = changes.filter((change) => change.action === action).length;
        return (
          count > 0 && (
            <State key={action} look={LOOK[action]}>
              {t.release.summary[action](count)}
            </State>
          )
        );
      })}
    </Group>
  );
}

/** The first of very many, and more of them when they are wanted. */
function Some<T>({ of, draw }: { of: T[]; draw: (some: T[]) => ReactNode }) {
  const [most, setMost] = useState(STEP);
  return (
    <>
      {draw(of.slice(0, most))}
      {of.length > most && (
        <Button variant="default" size="xs" mt="sm" onClick={() => setMost(most + STEP)}>
          {t.release.more(of.length - most)}
        </Button>
      )}
    </>
  );
}

function OneChange({ change, sides }: { change: Change; sides: Sides }) {
  const title = `${change.kind.replaceAll("_", " ").replace(/s$/, "")} ${change.name}`;
  return (
    <Paper withBorder p="xs">
      <Group gap="xs" pb={4}>
        <Text fw={600} size="sm" className="break">
          {title}
        </Text>
        <State look={LOOK[change.action]}>{t.release.action[change.action]}</State>
      </Group>
      <Table layout="fixed" aria-label={title}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w="30%">{t.release.field}</Table.Th>
            {sides.map((side) => (
              <Table.Th key={side} className="break">
                {side}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {change.fields.map((field) => (
            <OneField key={field.path} field={field} />
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function OneField({ field }: { field: FieldChange }) {
  return (
    <Table.Tr>
      <Table.Td className="break">
        <Code>{field.path}</Code>
      </Table.Td>
      <Side value={field.before} there={"before" in field} className={classes.before} />
      <Side value={field.after} there={"after" in field} className={classes.after} />
    </Table.Tr>
  );
}

function Side({ value, there, className }: { value: unknown; there: boolean; className: string | undefined }) {
  if (!there) {
    return (
      <Table.Td>
        <VisuallyHidden>{t.common.none}</VisuallyHidden>
      </Table.Td>
    );
  }
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return (
    <Table.Td>
      <pre className={className}>{text}</pre>
    </Table.Td>
  );
}
