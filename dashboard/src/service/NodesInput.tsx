/** The nodes of an upstream: host, port, weight. */
import { ActionIcon, Button, Fieldset, Group, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";

import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";

import type { Node } from "./shapes";

interface Props {
  nodes: Node[];
  onChange: (nodes: Node[]) => void;
  error?: Error | null;
  /** Where the nodes stand in the body that is sent. */
  pointer?: string;
}

export function NodesInput({ nodes, onChange, error = null, pointer = "/upstream/nodes" }: Props) {
  const change = (index: number, part: Partial<Node>) =>
    onChange(nodes.map((node, each) => (each === index ? { ...node, ...part } : node)));
  return (
    <Fieldset legend={t.service.nodes}>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {t.service.nodesHint}
        </Text>
        {nodes.map((node, index) => (
          <Group key={index} align="flex-end" wrap="nowrap" gap="xs">
            <TextInput
              label={t.service.nodeHost}
              value={node.host}
              onChange={(event) => change(index, { host: event.currentTarget.value.trim() })}
              error={fieldError(error, `${pointer}/${index}/host`)}
              required
              flex={1}
              miw={90}
            />
            <NumberInput
              label={t.service.nodePort}
              value={node.port ?? ""}
              onChange={(value) => change(index, { port: value === "" ? undefined : Number(value) })}
              error={fieldError(error, `${pointer}/${index}/port`)}
              min={1}
              max={65535}
              allowDecimal={false}
              hideControls
              w={90}
            />
            <NumberInput
              label={t.service.nodeWeight}
              value={node.weight}
              onChange={(value) => change(index, { weight: Number(value) })}
              min={0}
              allowDecimal={false}
              hideControls
              w={80}
            />
            <ActionIcon
              variant="default"
              size="input-sm"
              aria-label={t.service.removeNode}
              onClick={() => onChange(nodes.filter((_, each) => each !== index))}
            >
              <Trash2 size={16} aria-hidden />
            </ActionIcon>
          </Group>
        ))}
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<Plus size={14} aria-hidden />}
          onClick={() => onChange([...nodes, { host: "", weight: 1 }])}
        >
          {t.service.addNode}
        </Button>
      </Stack>
    </Fieldset>
  );
}
