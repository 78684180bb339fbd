/** Deletes a service template after asking; one that a gateway group runs is refused by the API, which names the groups. */
import { deleteResource, at } from "@/api/resources";
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
import { tell } from "@/ui/told";

import type { Template } from "./shapes";

const words = t.template;

interface Props {
  template: Template | undefined;
  onDone?: () => void;
  onClose: () => void;
}

export function RemoveTemplate({ template, onDone, onClose }: Props) {
  return (
    <Deed
      to={template}
      title={({ name }) => words.remove(name)}
      verb={t.common.remove}
      hint={() => words.removeHint}
      act={({ id }) => deleteResource({ path: `services/template/${at(id)}` })}
      tell={({ name }) => {
        tell(words.removed(name));
        onDone?.();
      }}
      stale={["templates"]}
      onClose={onClose}
    />
  );
}
