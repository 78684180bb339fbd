/** The request that is tried: what a client would send, and to which instance. */
import { Group, SegmentedControl, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { type SubmitEvent, useState } from "react";

import { instancesQuery } from "@/api/queries";
import { METHODS } from "@/service/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { HeadersInput } from "@/ui/HeadersInput";
import { MayButton } from "@/ui/MayButton";

import type { Wanted } from "./queries";
import { SCHEMES, type TesterSearch } from "./search";

const words = t.tester;

interface Props {
  groupId: string;
  /** What the form begins with. */
  search: TesterSearch;
  error: Error | null;
  pending: boolean;
  onSend: (wanted: Wanted) => void;
}

export function TesterForm({ groupId, search, error, pending, onSend }: Props) {
  const [wanted, setWanted] = useState(() => wantedOf(search));
  const permissions = usePermissions({ groupId });
  const listed = permissions["ListInstances"] === true;
  const instances = useQuery({ ...instancesQuery(groupId), enabled: listed }).data ?? [];
  const change = (part: Partial<Wanted>) => setWanted({ ...wanted, ...part });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onSend(wanted);
  };
  return (
    <form onSubmit={submit} autoComplete="off" aria-label={words.request}>
      <Stack>
        <Target wanted={wanted} error={error} onChange={change} />
        <HeadersInput
          hint={words.headersHint}
          value={wanted.headers}
          at="/headers"
          error={error}
          onChange={(headers) => change({ headers })}
        />
        <Textarea
          label={words.body}
          value={wanted.body}
          onChange={(event) => change({ body: event.currentTarget.value })}
          error={fieldError(error, "/body")}
          autosize
          minRows={3}
          maxRows={16}
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        />
        <Select
          label={words.instance}
          description={words.instanceHint}
          data={[
            { value: "", label: words.anyInstance },
            ...instances.map(({ id, hostname }) => ({ value: id, label: `${hostname} (${id.slice(0, 8)})` })),
          ]}
          value={wanted.instance}
          onChange={(instance) => change({ instance: instance ?? "" })}
          error={fieldError(error, "/instance_id")}
          allowDeselect={false}
        />
        <Group>
          <MayButton
            type="submit"
            allowed={permissions["CreateRequestTest"]}
            loading={pending}
            leftSection={<Send size={16} aria-hidden />}
          >
            {words.send}
          </MayButton>
        </Group>
      </Stack>
    </form>
  );
}

interface TargetProps {
  wanted: Wanted;
  error: Error | null;
  onChange: (part: Partial<Wanted>) => void;
}

function Target({ wanted, error, onChange }: TargetProps) {
  return (
    <>
      <Group align="flex-end" gap="sm">
        <Select
          label={words.method}
          data={METHODS.filter((method) => method !== "CONNECT")}
          value={wanted.method}
          onChange={(method) => method && onChange({ method })}
          error={fieldError(error, "/method")}
          allowDeselect={false}
          w={130}
        />
        <SegmentedControl
          aria-label={words.scheme}
          data={[...SCHEMES]}
          value={wanted.scheme}
          onChange={(scheme) => onChange({ scheme })}
        />
      </Group>
      <TextInput
        label={words.host}
        description={words.hostHint}
        value={wanted.host}
        onChange={(event) => onChange({ host: event.currentTarget.value.trim() })}
        error={fieldError(error, "/host")}
        required
      />
      <TextInput
        label={words.path}
        description={words.pathHint}
        value={wanted.path}
        onChange={(event) => onChange({ path: event.currentTarget.value.trim() })}
        error={fieldError(error, "/path")}
        required
      />
    </>
  );
}

function wantedOf({ method = "GET", scheme = "http", host = "localhost", path = "/", instance = "" }: TesterSearch): Wanted {
  return { method, scheme, host, path, instance, headers: [], body: "" };
}
