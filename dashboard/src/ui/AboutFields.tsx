/** What can be said of anything: a description and labels. */
import { Textarea } from "@mantine/core";

import type { Labels } from "@/api/shapes";
import { t } from "@/texts";

import type { FieldsProps } from "./EditDrawer";
import { fieldError } from "./ErrorNote";
import { LabelsInput } from "./Labels";
import { changed } from "./objects";

export function AboutFields({ value, onChange, error }: FieldsProps) {
  const { desc = "", labels = {} } = value as { desc?: string; labels?: Labels };
  return (
    <>
      <Textarea
        label={t.common.description}
        value={desc}
        onChange={(event) => onChange(changed(value, "desc", event.currentTarget.value))}
        error={fieldError(error, "/desc")}
        autosize
      />
      <LabelsInput
        label={t.common.labels}
        value={labels}
        onChange={(next) => onChange(changed(value, "labels", next))}
        error={fieldError(error, "/labels")}
      />
    </>
  );
}
