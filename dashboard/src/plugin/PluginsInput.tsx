/** The plugins of something, in the order they run in: switched on and off, edited, added, removed. */
import { ActionIcon, Button, Fieldset, Group, Paper, Stack, Switch, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { ApiError } from "@/api/client";
import type { Json } from "@/api/resources";
import type { PluginConfigs } from "@/api/shapes";
import { t } from "@/texts";
import { changed, without } from "@/ui/objects";

import { earlier, type PlaceName, whereIs } from "./places";
import { PluginDrawer } from "./PluginDrawer";
import { catalogueQuery, type Plugin } from "./queries";

interface Props {
  value: PluginConfigs;
  place: PlaceName;
  onChange: (value: PluginConfigs) => void;
  /** What the API refused of the whole. */
  error?: Error | null;
  /** Where the plugins stand in what is sent. */
  pointer?: string;
}

export function PluginsInput({ value, place, onChange, error = null, pointer = "/plugins" }: Props) {
  const catalogue = useQuery(catalogueQuery).data ?? [];
  const [editing, setEditing] = useState<{ name?: string }>();
  const names = inOrder(value, catalogue);
  const set = (name: string, conf: Json) => onChange({ ...value, [name]: conf });
  const full = names.length >= (whereIs(place).most ?? Infinity);
  return (
    <Fieldset legend={t.plugin.title}>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {names.length === 0 ? t.plugin.none[place] : t.plugin.order}
        </Text>
        {names.map((name) => (
          <Row
            key={name}
            name={name}
            conf={value[name] ?? {}}
            plugin={catalogue.find((each) => each.name === name)}
            refused={refusedAt(error, `${pointer}/${name}`)}
            onEdit={() => setEditing({ name })}
            onChange={(conf) => set(name, conf)}
            onRemove={() => onChange(without(value, name) as PluginConfigs)}
          />
        ))}
        {!full && (
          <Button
            variant="default"
            size="xs"
            w="fit-content"
            leftSection={<Plus size={14} aria-hidden />}
            onClick={() => setEditing({})}
          >
            {t.plugin.add}
          </Button>
        )}
      </Stack>
      <PluginDrawer
        opened={editing !== undefined}
        place={place}
        name={editing?.name}
        taken={names}
        value={(editing?.name !== undefined && value[editing.name]) || {}}
        onChoose={(name) => {
          set(name, {});
          setEditing({ name });
        }}
        onChange={(conf) => editing?.name !== undefined && set(editing.name, conf)}
        onClose={() => setEditing(undefined)}
      />
    </Fieldset>
  );
}

function meta(conf: Json): { disable?: boolean; priority?: number } & Json {
  return (conf["_meta"] ?? {}) as Json;
}

/** The first to run first; what the catalogue does not know, last. */
function inOrder(value: PluginConfigs, catalogue: Plugin[]): string[] {
  const moved = (plugin: Plugin) => meta(value[plugin.name] ?? {}).priority ?? plugin.priority;
  const known = catalogue.filter((plugin) => plugin.name in value).sort((one, other) => earlier(one, other, moved));
  const names = known.map((plugin) => plugin.name);
  return [...names, ...Object.keys(value).filter((name) => !names.includes(name))];
}

/** What the API says against a plugin, or a field of it. */
function refusedAt(error: Error | null, pointer: string): string | undefined {
  if (!(error instanceof ApiError) || error.pointer === undefined) return undefined;
  if (error.pointer === pointer) return error.reason;
  return error.pointer.startsWith(`${pointer}/`) ? `${error.pointer.slice(pointer.length + 1)}: ${error.reason}` : undefined;
}

interface RowProps {
  name: string;
  conf: Json;
  plugin: Plugin | undefined;
  refused: string | undefined;
  onEdit: () => void;
  onChange: (conf: Json) => void;
  onRemove: () => void;
}

function Row({ name, conf, plugin, refused, onEdit, onChange, onRemove }: RowProps) {
  return (
    <Paper withBorder p="xs" role="group" aria-label={t.plugin.one(name)}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Stack gap={0}>
          <Text fw={600} className="break">
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {plugin?.summary ?? t.plugin.unknown}
          </Text>
        </Stack>
        <Group gap="xs" wrap="nowrap">
          <Switch
            aria-label={t.plugin.on(name)}
            checked={meta(conf).disable !== true}
            onChange={(event) => onChange(switched(conf, event.currentTarget.checked))}
          />
          <ActionIcon variant="default" aria-label={t.plugin.edit(name)} onClick={onEdit}>
            <Pencil size={16} aria-hidden />
          </ActionIcon>
          <ActionIcon variant="default" aria-label={t.plugin.remove(name)} onClick={onRemove}>
            <Trash2 size={16} aria-hidden />
          </ActionIcon>
        </Group>
      </Group>
      {refused && (
        <Text size="sm" c="var(--mantine-color-error)" role="alert">
          {refused}
        </Text>
      )}
    </Paper>
  );
}

/** A configuration that is switched on says nothing of it. */
function switched(conf: Json, on: boolean): Json {
  return changed(conf, "_meta", on ? without(meta(conf), "disable") : { ...meta(conf), disable: true });
}
