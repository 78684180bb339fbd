/** The nodes of an upstream: host, port, weight. */
import { Fieldset, NumberInput, Stack, Text, TextInput } from "@mantine/core";

import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { Rows } from "@/ui/Rows";

import type { Node } from "./shapes";

interface Props {
  nodes: Node[];
  onChange: (nodes: Node[]) => void;
  error?: Error | null;
  /** Where the nodes stand in the body that is sent. */
  pointer?: string;
}

export function NodesInput({ nodes, onChange, error = null, pointer = "/upstream/nodes" }: Props) {
  return (
    <Fieldset legend={t.service.nodes}>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {t.service.nodesHint}
        </Text>
        <Rows
          rows={nodes}
          fresh={{ host: "", weight: 1 }}
          add={t.service.addNode}
          remove={() => t.service.removeNode}
          onChange={onChange}
        >
          {(node, change, index) => (
            <>
              <TextInput
                label={t.service.nodeHost}
                value={node.host}
                onChange={(event) => change({ ...node, host: event.currentTarget.value.trim() })}
                error={fieldError(error, `${pointer}/${index}/host`)}
                required
                flex={1}
                miw={90}
              />
              <NumberInput
                label={t.service.nodePort}
                value={node.port ?? ""}
                onChange={(value) => change({ ...node, port: value === "" ? undefined : Number(value) })}
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
                onChange={(value) => change({ ...node, weight: Number(value) })}
                min={0}
                allowDecimal={false}
                hideControls
                w={80}
              />
            </>
          )}
        </Rows>
      </Stack>
    </Fieldset>
  );
}
