/** The fields of a service template; where it is stands in the text beside the form. */
import { Select, Stack, Textarea, TextInput } from "@mantine/core";

import type { Labels } from "@/api/shapes";
import { PluginsField } from "@/plugin/PluginsField";
import { t } from "@/texts";
import type { FieldsProps } from "@/ui/EditDrawer";
import { fieldError } from "@/ui/ErrorNote";
import { LabelsInput } from "@/ui/Labels";

const words = t.template;
const TYPES = Object.entries(t.service.types).map(([value, label]) => ({ value, label }));

export function TemplateFields({ value, onChange, error }: FieldsProps) {
  const template = value as { name?: string; desc?: string; type?: string; labels?: Labels };
  const change = (part: typeof template) => onChange({ ...value, ...part });
  return (
    <Stack>
      <TextInput
        label={words.name}
        description={words.nameHint}
        value={template.name ?? ""}
        onChange={(event) => change({ name: event.currentTarget.value })}
        error={fieldError(error, "/name")}
        required
        data-autofocus
      />
      <Select
        label={words.type}
        description={words.typeHint}
        data={TYPES}
        value={template.type ?? "http"}
        onChange={(type) => type && change({ type })}
        error={fieldError(error, "/type")}
        allowDeselect={false}
      />
      <PluginsField
        value={value}
        onChange={onChange}
        error={error}
        place={template.type === "stream" ? "stream" : "service"}
      />
      <Textarea
        label={words.description}
        value={template.desc ?? ""}
        onChange={(event) => change({ desc: event.currentTarget.value })}
        error={fieldError(error, "/desc")}
        autosize
        minRows={2}
      />
      <LabelsInput
        label={t.common.labels}
        description={t.fleet.labelsHint}
        value={template.labels ?? {}}
        onChange={(labels) => change({ labels })}
        error={fieldError(error, "/labels")}
      />
    </Stack>
  );
}
