/** Copies a service template with its routes under another name. */
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, shaped } from "@/api/client";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { MayButton } from "@/ui/MayButton";
import { tell } from "@/ui/told";

import type { Template } from "./shapes";

const words = t.template;

export function Clone({ template, onClose }: { template: Template; onClose: () => void }) {
  const [name, setName] = useState(words.copyName(template.name));
  const allowed = usePermissions()["CreateServiceTemplate"];
  const queries = useQueryClient();
  const navigate = useNavigate();
  const clone = useMutation({
    mutationFn: () => {
      const params = { path: { id: template.id } };
      return shaped<{ value: Template }>(api.POST("/api/services/template/{id}/clone", { params, body: { name: name.trim() } }));
    },
    onSuccess: async ({ value }) => {
      tell(words.cloned(value.name));
      onClose();
      await queries.invalidateQueries({ queryKey: ["templates"] });
      await navigate({ to: "/templates/$templateId", params: { templateId: value.id } });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    clone.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={words.cloneOf(template.name)} closeButtonProps={{ "aria-label": t.common.close }}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{words.cloneHint}</Text>
          <TextInput
            label={words.cloneName}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldError(clone.error, "/name")}
            required
            data-autofocus
          />
          {clone.error && <ErrorNote error={clone.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t.common.cancel}
            </Button>
            <MayButton type="submit" allowed={allowed} loading={clone.isPending}>
              {words.clone}
            </MayButton>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
