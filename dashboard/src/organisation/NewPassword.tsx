/** Gives a user who has forgotten his password another one for one sign-in. */
import { PasswordInput, Text } from "@mantine/core";

import { api } from "@/api/client";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { FormDrawer } from "@/ui/FormDrawer";

import { type User, usersQuery } from "./queries";

const words = t.organisation.users;

export function NewPassword({ user, onClose }: { user: User; onClose: () => void }) {
  return (
    <FormDrawer
      title={words.resetOf(user.username)}
      from=""
      fresh
      fields={({ value, onChange, error }) => (
        <>
          <Text size="sm">{words.resetHint}</Text>
          <PasswordInput
            label={words.firstPassword}
            value={value}
            onChange={(event) => onChange(event.currentTarget.value)}
            error={fieldError(error, "/password")}
            autoComplete="new-password"
            required
          />
        </>
      )}
      save={(password) =>
        api.PUT("/api/users/{id}/password_reset", { params: { path: { id: user.id } }, body: { password } })
      }
      done={() => words.resetDone(user.username)}
      stale={usersQuery.queryKey}
      allowed
      onClose={onClose}
    />
  );
}
