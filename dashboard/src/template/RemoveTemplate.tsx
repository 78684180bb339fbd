/** Deletes a service template after asking; one that a gateway group runs is refused by the API, which names the groups. */
import { deleteResource, at } from "@/api/resources";
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
import { tell } from "@/ui/told";

import type { Template } from "./shapes";

const words = t.template;

interface Props {
  template: Template | undefined;
  /** Leaves the template's page, which must not ask for it any more. */
  leave?: () => Promise<void>;
  onClose: () => void;
}

export function RemoveTemplate({ template, leave, onClose }: Props) {
  return (
    <Deed
      to={template}
      title={({ name }) => words.remove(name)}
      verb={t.common.remove}
      hint={() => words.removeHint}
      act={async ({ id }) => {
        await deleteResource({ path: `services/template/${at(id)}` });
        await leave?.();
      }}
      tell={({ name }) => tell(words.removed(name))}
      stale={["templates"]}
      onClose={onClose}
    />
  );
}
