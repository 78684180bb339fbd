/** The field `plugins` of what is edited. */
import type { PluginConfigs } from "@/api/shapes";
import type { FieldsProps } from "@/ui/EditDrawer";
import { changed } from "@/ui/objects";

import type { PlaceName } from "./places";
import { PluginsInput } from "./PluginsInput";

export function PluginsField({ value, onChange, error, place }: FieldsProps & { place: PlaceName }) {
  const { plugins = {} } = value as { plugins?: PluginConfigs };
  return (
    <PluginsInput
      value={plugins}
      place={place}
      error={error}
      onChange={(next) => onChange(changed(value, "plugins", next))}
    />
  );
}
