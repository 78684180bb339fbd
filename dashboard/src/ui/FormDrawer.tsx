/** A form at the side of a list for what belongs to no gateway group; keeps what was typed from being lost. */
import { Button, Group, Stack } from "@mantine/core";
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, type SubmitEvent, useState } from "react";

import type { Allowed } from "@/session/permissions";
import { t } from "@/texts";

import { ErrorNote } from "./ErrorNote";
import { GuardedDrawer } from "./GuardedDrawer";
import { MayButton } from "./MayButton";
import { tell } from "./told";

interface FieldsProps<T> {
  value: T;
  onChange: (value: T) => void;
  /** What the API refused; fieldError(error, "/name") is the part of an input. */
  error: Error | null;
}

interface Props<T> {
  title: string;
  /** What the form begins with. */
  from: T;
  fresh: boolean;
  fields: (props: FieldsProps<T>) => ReactNode;
  save: (value: T) => Promise<unknown>;
  /** What was done, for the note in the corner. */
  done: (value: T) => string;
  /** The queries whose answers are old then. */
  stale: QueryKey;
  allowed: Allowed | undefined;
  /** Another reason why it cannot be saved. */
  reason?: string | undefined;
  onClose: () => void;
}

export function FormDrawer<T>({ title, from, fresh, fields, save, done, stale, allowed, reason, onClose }: Props<T>) {
  const [value, setValue] = useState(from);
  const queries = useQueryClient();
  const changed = JSON.stringify(value) !== JSON.stringify(from);
  const saving = useMutation({
    mutationFn: () => save(value),
    onSuccess: async () => {
      tell(done(value));
      onClose();
      await queries.invalidateQueries({ queryKey: stale });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <GuardedDrawer opened title={title} size="lg" changed={changed && !saving.isSuccess} onClose={onClose}>
      {(ask) => (
        <form onSubmit={submit} autoComplete="off">
          <Stack>
            {fields({ value, onChange: setValue, error: saving.error })}
            {saving.error && <ErrorNote error={saving.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={ask}>
                {t.common.cancel}
              </Button>
              <MayButton
                type="submit"
                allowed={allowed}
                reason={reason}
                loading={saving.isPending}
                disabled={!changed && !fresh}
              >
                {t.common.save}
              </MayButton>
            </Group>
          </Stack>
        </form>
      )}
    </GuardedDrawer>
  );
}
