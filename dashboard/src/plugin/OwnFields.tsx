/** The fields of what is named after a plugin: a global rule, plugin metadata. */
import type { PluginConfigs } from "@/api/shapes";
import type { FieldsProps } from "@/ui/EditDrawer";

import { ConfForm } from "./ConfForm";

type Props = FieldsProps & { id: string };

export function GlobalRuleFields({ value, onChange, id }: Props) {
  const { plugins = {} } = value as { plugins?: PluginConfigs };
  return (
    <ConfForm
      name={id}
      place="global"
      value={plugins[id] ?? {}}
      onChange={(conf) => onChange({ ...value, plugins: { [id]: conf } })}
    />
  );
}

export function MetadataFields({ value, onChange, id }: Props) {
  return <ConfForm name={id} place="metadata" value={value} onChange={onChange} />;
}
