/** Then what the document becomes: what was not understood, the service, its routes; as a form and as text, kept in step. */
import { Alert, Code, Group, List, Stack, Tabs, TagsInput, Text, TextInput, Title } from "@mantine/core";
import type { ReactNode } from "react";

import type { Json } from "@/api/resources";
import { UpstreamFields } from "@/service/UpstreamFields";
import type { UpstreamBody } from "@/service/shapes";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { DocumentEditor } from "@/ui/DocumentEditor";

import type { Preview } from "./calls";

const words = t.openapi;
type Content = Preview["content"];

interface Props {
  preview: Preview;
  /** What is a gateway group's own is asked for, too. */
  inGroup: boolean;
  onChange: (content: Content) => void;
  onValid: (valid: boolean) => void;
  /** What can be done now. */
  children: ReactNode;
}

export function PreviewStep({ preview: { content, warnings }, inGroup, onChange, onValid, children }: Props) {
  const take = (value: Json) => onChange({ ...value, name: text(value["name"]), routes: routesOf(value) });
  return (
    <Stack>
      <Title order={2} size="h4">
        {words.previewTitle}
      </Title>
      <Warnings warnings={warnings} />
      <Tabs defaultValue="form" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="form">{t.common.form}</Tabs.Tab>
          <Tabs.Tab value="editor">{t.common.editor}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="form" pt="md">
          <Stack>
            <Fields content={content} inGroup={inGroup} onChange={onChange} />
            <Title order={3} size="h5">
              {words.routes(content.routes.length)}
            </Title>
            <DataTable
              label={t.service.routes}
              rows={content.routes.map((route, index) => ({ ...route, index: String(index) }))}
              columns={COLUMNS}
              rowId={(route) => route.index}
              text={(route) => COLUMNS.map((_, index) => cells(route)[index]).join(" ")}
              maxHeight="50vh"
            />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="editor" pt="md">
          <DocumentEditor label={words.text} value={content} height="52vh" onChange={take} onValid={onValid} />
        </Tabs.Panel>
      </Tabs>
      <Group justify="flex-end">{children}</Group>
    </Stack>
  );
}

function Warnings({ warnings }: { warnings: string[] }) {
  if (warnings.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {words.noWarnings}
      </Text>
    );
  }
  return (
    <Alert variant="outline" color="orange" title={words.warnings}>
      <List size="sm">
        {warnings.map((warning, index) => (
          <List.Item key={index} className="break">
            {warning}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

function Fields({ content, inGroup, onChange }: { content: Content; inGroup: boolean; onChange: (content: Content) => void }) {
  const upstream = (content["upstream"] ?? {}) as UpstreamBody;
  const hosts = (content["hosts"] ?? []) as string[];
  const nodes = (upstream.nodes ?? []).map(({ host, port }) => `${upstream.scheme ?? "http"}://${host}:${port ?? ""}`);
  return (
    <Stack maw={760}>
      <TextInput
        label={t.service.name}
        value={content.name}
        onChange={(event) => onChange({ ...content, name: event.currentTarget.value })}
        required
      />
      {text(content["path_prefix"]) && (
        <Text size="sm">
          {t.service.prefix}: <Code>{text(content["path_prefix"])}</Code>
        </Text>
      )}
      {nodes.length === 0 && <Text size="sm">{words.noUpstream}</Text>}
      {!inGroup && nodes.length > 0 && (
        <Text size="sm">
          {t.service.upstream}: <Code className="break">{nodes.join(", ")}</Code>
        </Text>
      )}
      {inGroup && (
        <>
          <TagsInput
            label={t.service.hosts}
            description={t.service.hostsHint}
            value={hosts}
            onChange={(value) => onChange({ ...content, hosts: value })}
            splitChars={[",", " "]}
            acceptValueOnBlur
          />
          <UpstreamFields value={upstream} error={null} onChange={(value) => onChange({ ...content, upstream: value })} />
        </>
      )}
    </Stack>
  );
}

type Row = Json & { index: string };

function cells(route: Json): string[] {
  return ["name", "methods", "paths"].map((field) => text(route[field]));
}

const COLUMNS: Column<Row>[] = [t.service.routeName, t.service.methods, t.service.paths].map((header, index) => ({
  id: header,
  header,
  accessorFn: (route) => cells(route)[index],
}));

function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join(", ");
  return typeof value === "string" ? value : "";
}

function routesOf(value: Json): Json[] {
  return Array.isArray(value["routes"]) ? (value["routes"] as Json[]) : [];
}
