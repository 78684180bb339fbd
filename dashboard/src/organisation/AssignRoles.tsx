/** Chooses the roles of a user. */
import { Button, Group, Modal, MultiSelect, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import type { Role } from "@/access/shapes";
import { api } from "@/api/client";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { tell } from "@/ui/told";

import { type User, usersQuery } from "./queries";

const words = t.organisation.users;

export function AssignRoles({ user, roles, onClose }: { user: User; roles: Role[]; onClose: () => void }) {
  const queries = useQueryClient();
  const [chosen, setChosen] = useState(user.roles);
  const assign = useMutation({
    mutationFn: () =>
      api.PUT("/api/users/{id}/assigned_roles", { params: { path: { id: user.id } }, body: { roles: chosen } }),
    onSuccess: async () => {
      tell(words.assigned(user.username));
      onClose();
      await queries.invalidateQueries({ queryKey: usersQuery.queryKey });
    },
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={words.assignTo(user.username)}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      <Stack>
        <Text size="sm">{words.assignHint}</Text>
        <MultiSelect
          label={words.roles}
          data={roles.map((role) => ({ value: role.id, label: role.name }))}
          value={chosen}
          onChange={setChosen}
          searchable
        />
        {assign.error && <ErrorNote error={assign.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button loading={assign.isPending} onClick={() => assign.mutate()}>
            {t.common.save}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
