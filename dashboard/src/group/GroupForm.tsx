/** The form that makes a gateway group, or changes what is said of one. */
import { Button, Checkbox, Group, Stack, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, written } from "@/api/client";
import type { Group as GatewayGroup } from "@/api/shapes";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { GuardedDrawer } from "@/ui/GuardedDrawer";
import { LabelsInput } from "@/ui/Labels";

interface Props {
  opened: boolean;
  /** The group to change; without it a new one is made. */
  group?: GatewayGroup;
  onClose: () => void;
}

export function GroupForm({ opened, group, onClose }: Props) {
  const [changed, setChanged] = useState(false);
  const close = () => {
    setChanged(false);
    onClose();
  };
  return (
    <GuardedDrawer opened={opened} title={group ? t.group.edit : t.fleet.add} size="md" changed={changed} onClose={close}>
      {(ask) => <Fields group={group} onChanged={setChanged} onCancel={ask} onClose={close} />}
    </GuardedDrawer>
  );
}

interface FieldsProps {
  group: GatewayGroup | undefined;
  onChanged: (changed: boolean) => void;
  onCancel: () => void;
  onClose: () => void;
}

function Fields({ group, onChanged, onCancel, onClose }: FieldsProps) {
  const [body, keep] = useState({
    name: group?.name ?? "",
    description: group?.description ?? "",
    labels: group?.labels ?? {},
    enforce_service_publishing: group?.enforce_service_publishing ?? false,
  });
  const setBody = (next: typeof body) => {
    keep(next);
    onChanged(true);
  };
  const queries = useQueryClient();
  const navigate = useNavigate();
  const save = useMutation({
    mutationFn: () =>
      group
        ? written<GatewayGroup>(
            api.PUT("/api/gateway_groups/{gateway_group_id}", {
              params: { path: { gateway_group_id: group.id } },
              body: { ...body, type: group.type },
            }),
          )
        : written<GatewayGroup>(api.POST("/api/gateway_groups", { body })),
    onSuccess: async ({ value }) => {
      await queries.invalidateQueries({ queryKey: ["groups"] });
      await queries.invalidateQueries({ queryKey: ["group", value.id] });
      onClose();
      if (!group) await navigate({ to: "/groups/$groupId", params: { groupId: value.id }, ignoreBlocker: true });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={t.fleet.name}
          description={t.fleet.nameHint}
          value={body.name}
          onChange={(event) => setBody({ ...body, name: event.currentTarget.value })}
          error={fieldError(save.error, "/name")}
          maxLength={100}
          required
          data-autofocus
        />
        <Textarea
          label={t.fleet.description}
          value={body.description}
          onChange={(event) => setBody({ ...body, description: event.currentTarget.value })}
          autosize
          minRows={2}
        />
        <LabelsInput
          label={t.fleet.labels}
          description={t.fleet.labelsHint}
          value={body.labels}
          onChange={(labels) => setBody({ ...body, labels })}
        />
        <Checkbox
          label={t.fleet.enforce}
          checked={body.enforce_service_publishing}
          onChange={(event) => setBody({ ...body, enforce_service_publishing: event.currentTarget.checked })}
        />
        {save.isError && <ErrorNote error={save.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>
            {t.common.cancel}
          </Button>
          <Button type="submit" loading={save.isPending}>
            {group ? t.common.save : t.fleet.add}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
