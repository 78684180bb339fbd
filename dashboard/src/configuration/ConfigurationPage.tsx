/** A gateway group's whole configuration as one document: taken as a file, changed, looked at, applied in one step. */
import { Button, Checkbox, FileButton, Group, Stack, Text, TextInput } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Download, RotateCcw, Upload } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { parse, stringify } from "yaml";

import { api, shaped } from "@/api/client";
import { groupQuery } from "@/api/queries";
import type { Json } from "@/api/resources";
import { applyConfig, previewApply } from "@/release/calls";
import { ReleaseModal } from "@/release/ReleaseModal";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { CodeEditor } from "@/ui/CodeEditor";
import { Go } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { save } from "@/ui/save";
import { Unsaved } from "@/ui/Unsaved";

const words = t.configuration;

function configQuery(groupId: string) {
  return {
    // not below "group": what is being edited stays as it is while the group changes
    queryKey: ["config", groupId],
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    queryFn: async () => {
      const params = { path: { gateway_group_id: groupId } };
      const { value } = await shaped<{ value: Json }>(api.GET("/api/gateway_groups/{gateway_group_id}/config", { params }));
      return stringify(value);
    },
  };
}

export function ConfigurationPage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const current = useQuery(configQuery(groupId));
  return (
    <Page
      title={words.title}
      said={words.hint}
      crumbs={
        <Go to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>
      }
    >
      <Loaded query={current} lines={10}>
        {(text) => (
          <Editing
            key={current.dataUpdatedAt}
            groupId={groupId}
            name={group.name}
            text={text}
            onFresh={() => void current.refetch()}
          />
        )}
      </Loaded>
    </Page>
  );
}

interface Props {
  groupId: string;
  name: string;
  /** The configuration the group has, in YAML. */
  text: string;
  onFresh: () => void;
}

function Editing({ groupId, name, text: current, onFresh }: Props) {
  const [text, setText] = useState(current);
  const [prune, setPrune] = useState(false);
  const [note, setNote] = useState("");
  const [config, setConfig] = useState<Json>();
  const [done, setDone] = useState(false);
  const [problem, setProblem] = useState("");
  const allowed = usePermissions({ groupId })["ApplyConfiguration"];
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    try {
      setConfig(read(text));
      setProblem("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const close = () => {
    setConfig(undefined);
    if (done) onFresh();
  };
  return (
    <>
      <form onSubmit={submit}>
        <Unsaved changed={text !== current && !done} />
        <Stack>
          <Tools name={name} text={text} onWrite={setText} onFresh={onFresh} />
          <Text size="sm" c="dimmed">
            {words.secrets}
          </Text>
          <CodeEditor label={words.document} value={text} language="yaml" height="55vh" onChange={setText} />
          {problem && (
            <Text size="sm" c="var(--mantine-color-error)" role="alert" className="pre">
              {words.unreadable}: {problem}
            </Text>
          )}
          <Checkbox
            label={words.prune}
            description={words.pruneHint}
            checked={prune}
            onChange={(event) => setPrune(event.currentTarget.checked)}
          />
          <TextInput
            label={words.note}
            description={words.noteHint}
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
            maxLength={1024}
          />
          <Group justify="flex-end">
            <MayButton type="submit" allowed={allowed}>
              {t.release.review}
            </MayButton>
          </Group>
        </Stack>
      </form>
      {config && (
        <ReleaseModal
          opened
          title={words.applyTitle(name)}
          verb={words.apply}
          preview={() => previewApply({ groupId, config, prune, note })}
          release={async () => {
            const released = await applyConfig({ groupId, config, prune, note });
            setDone(true);
            return released;
          }}
          onClose={close}
        />
      )}
    </>
  );
}

interface ToolsProps {
  name: string;
  text: string;
  onWrite: (text: string) => void;
  onFresh: () => void;
}

function Tools({ name, text, onWrite, onFresh }: ToolsProps) {
  return (
    <Group gap="xs">
      <FileButton onChange={(file) => void file?.text().then(onWrite)} accept=".json,.yaml,.yml,application/json,application/yaml">
        {(props) => (
          <Button variant="default" leftSection={<Upload size={16} aria-hidden />} {...props}>
            {words.upload}
          </Button>
        )}
      </FileButton>
      <Button variant="default" leftSection={<RotateCcw size={16} aria-hidden />} onClick={onFresh}>
        {words.current}
      </Button>
      <Button
        variant="default"
        leftSection={<Download size={16} aria-hidden />}
        onClick={() => save(`${name}.yaml`, text, "application/yaml")}
      >
        {words.download}
      </Button>
    </Group>
  );
}

/** An object from YAML or JSON; throws what is wrong with it. */
function read(text: string): Json {
  const found: unknown = parse(text);
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error(t.common.notObject);
  return found as Json;
}
