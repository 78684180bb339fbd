/** Where the user's own Prometheus is, and whether it answers. */
import { Alert, Group, Stack, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, type SubmitEvent, useState } from "react";

import { api, shaped } from "@/api/client";
import { prometheusQuery } from "@/api/queries";
import type { Prometheus } from "@/api/shapes";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { type Header, HeadersInput } from "@/ui/HeadersInput";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Permitted } from "@/ui/Permitted";
import { Section } from "@/ui/Section";
import { tell } from "@/ui/told";
import { Unsaved } from "@/ui/Unsaved";

const words = t.organisation.prometheus;
/** Every node tells one of these. */
const INSTANCES = "count(apisix_node_info)";

interface Form {
  url: string;
  headers: Header[];
  ca: string;
}

export function PrometheusSettings() {
  const allowed = usePermissions()["GetPrometheus"];
  const setting = useQuery({ ...prometheusQuery, enabled: allowed === true });
  return (
    <Section title={words.title} said={words.hint}>
      <Permitted allowed={allowed}>
        <Loaded query={setting}>
          {(found) => <PrometheusForm key={JSON.stringify(found)} stored={found} />}
        </Loaded>
      </Permitted>
    </Section>
  );
}

function PrometheusForm({ stored }: { stored: Partial<Prometheus> }) {
  const before: Form = { url: stored.url ?? "", headers: Object.entries(stored.headers ?? {}), ca: stored.ca ?? "" };
  const [form, setForm] = useState(before);
  const permissions = usePermissions();
  const queries = useQueryClient();
  const changed = JSON.stringify(form) !== JSON.stringify(before);
  const save = useMutation({
    mutationFn: () =>
      api.PUT("/api/system_settings/prometheus", { body: { ...form, headers: Object.fromEntries(form.headers) } }),
    onSuccess: async () => {
      tell(words.saved);
      await queries.invalidateQueries({ queryKey: prometheusQuery.queryKey });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} autoComplete="off">
      <Stack maw={640}>
        <TextInput
          label={words.url}
          description={words.urlHint}
          placeholder="https://"
          value={form.url}
          onChange={(event) => setForm({ ...form, url: event.currentTarget.value })}
          error={fieldError(save.error, "/url")}
          inputMode="url"
          required
        />
        <HeadersInput
          hint={t.organisation.headersHint}
          value={form.headers}
          at="/headers"
          error={save.error}
          onChange={(headers) => setForm({ ...form, headers })}
        />
        <Textarea
          label={words.ca}
          description={words.caHint}
          value={form.ca}
          onChange={(event) => setForm({ ...form, ca: event.currentTarget.value })}
          error={fieldError(save.error, "/ca")}
          autosize
          minRows={2}
          maxRows={8}
        />
        {save.error && <ErrorNote error={save.error} />}
        <Doings stored={stored.url} changed={changed}>
          <MayButton type="submit" allowed={permissions["UpdatePrometheus"]} loading={save.isPending} disabled={!changed}>
            {words.save}
          </MayButton>
        </Doings>
      </Stack>
      <Unsaved changed={changed && !save.isSuccess} />
    </form>
  );
}

interface DoingsProps {
  /** The address that is stored. */
  stored: string | undefined;
  changed: boolean;
  children: ReactNode;
}

/** What can be done with the one that is stored: ask it, and forget it. */
function Doings({ stored, changed, children }: DoingsProps) {
  const permissions = usePermissions();
  const [forgetting, setForgetting] = useState<string>();
  const attempt = useMutation({ mutationFn: instances });
  return (
    <>
      <Group>
        {children}
        <MayButton
          variant="default"
          allowed={permissions["QueryPrometheus"]}
          reason={stored === undefined || changed ? words.tryFirst : undefined}
          loading={attempt.isPending}
          onClick={() => attempt.mutate()}
        >
          {words.try}
        </MayButton>
        {stored !== undefined && (
          <MayButton
            variant="outline"
            color="red"
            allowed={permissions["UpdatePrometheus"]}
            onClick={() => setForgetting(stored)}
          >
            {words.forget}
          </MayButton>
        )}
      </Group>
      {attempt.error && <ErrorNote error={attempt.error} />}
      {attempt.data !== undefined && (
        <Alert color={attempt.data > 0 ? "green" : "orange"} variant="outline" role="status">
          {attempt.data > 0 ? words.answers(attempt.data) : words.empty}
        </Alert>
      )}
      <Deed
        to={forgetting}
        title={() => words.forgetTitle}
        verb={words.forget}
        hint={() => words.forgetHint}
        act={() => api.DELETE("/api/system_settings/prometheus")}
        tell={() => tell(words.forgotten)}
        stale={prometheusQuery.queryKey}
        onClose={() => setForgetting(undefined)}
      />
    </>
  );
}

/** How many gateway instances it knows. */
async function instances(): Promise<number> {
  const query = { query: INSTANCES };
  const asked = api.GET("/api/control_plane/prometheus/api/v1/query", { params: { query } });
  const { value } = await shaped<{ value: { data: { result: { value: [number, string] }[] } } }>(asked);
  return Number(value.data.result[0]?.value[1] ?? 0);
}
