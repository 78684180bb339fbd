/** What is said of a gateway group, as inputs. */
import { Checkbox, Textarea, TextInput } from "@mantine/core";

import type { Labels } from "@/api/shapes";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { LabelsInput } from "@/ui/Labels";

export interface GroupBody {
  name: string;
  description: string;
  labels: Labels;
  enforce_service_publishing: boolean;
  /** Empty: instances may have any version. */
  image_tag: string;
}

export const FRESH: GroupBody = {
  name: "",
  description: "",
  labels: {},
  enforce_service_publishing: false,
  image_tag: "",
};

interface Props {
  body: GroupBody;
  error: Error | null;
  onChange: (body: GroupBody) => void;
}

export function GroupFields({ body, error, onChange }: Props) {
  const change = (part: Partial<GroupBody>) => onChange({ ...body, ...part });
  return (
    <>
      <TextInput
        label={t.fleet.name}
        description={t.fleet.nameHint}
        value={body.name}
        onChange={(event) => change({ name: event.currentTarget.value })}
        error={fieldError(error, "/name")}
        maxLength={100}
        required
        data-autofocus
      />
      <Textarea
        label={t.fleet.description}
        value={body.description}
        onChange={(event) => change({ description: event.currentTarget.value })}
        autosize
        minRows={2}
      />
      <LabelsInput
        label={t.fleet.labels}
        description={t.fleet.labelsHint}
        value={body.labels}
        onChange={(labels) => change({ labels })}
      />
      <TextInput
        label={t.settings.imageTag}
        description={t.settings.imageTagHint}
        value={body.image_tag}
        onChange={(event) => change({ image_tag: event.currentTarget.value.trim() })}
        error={fieldError(error, "/image_tag")}
      />
      <Checkbox
        label={t.fleet.enforce}
        checked={body.enforce_service_publishing}
        onChange={(event) => change({ enforce_service_publishing: event.currentTarget.checked })}
      />
    </>
  );
}

/** As the API wants it: no tag instead of an empty one. */
export function bodyOf({ image_tag: tag, ...rest }: GroupBody) {
  return { ...rest, ...(tag ? { image_tag: tag } : {}) };
}
