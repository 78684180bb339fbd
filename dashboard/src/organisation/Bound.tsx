/** Chooses the permission boundary of a user. */
import { MultiSelect, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { policiesQuery } from "@/access/queries";
import { api } from "@/api/client";
import type { Allowed } from "@/session/permissions";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { FormDrawer } from "@/ui/FormDrawer";

import { type User, usersQuery } from "./queries";

const words = t.organisation.users;

export function Bound({ user, allowed, onClose }: { user: User; allowed: Allowed | undefined; onClose: () => void }) {
  const policies = useQuery(policiesQuery).data ?? [];
  return (
    <FormDrawer
      title={words.boundaryOf(user.username)}
      from={user.boundary}
      fresh={false}
      fields={({ value, onChange, error }) => (
        <>
          <Text size="sm">{words.boundaryHint}</Text>
          <MultiSelect
            label={words.policies}
            data={policies.map(({ id, name }) => ({ value: id, label: name }))}
            value={value}
            onChange={onChange}
            error={fieldError(error, "/permission_policies")}
            searchable
            clearable
            nothingFoundMessage={t.common.findNothing}
          />
        </>
      )}
      save={(permission_policies) =>
        api.PUT("/api/users/{id}/boundary", { params: { path: { id: user.id } }, body: { permission_policies } })
      }
      done={() => words.boundarySet(user.username)}
      stale={usersQuery.queryKey}
      allowed={allowed}
      onClose={onClose}
    />
  );
}
