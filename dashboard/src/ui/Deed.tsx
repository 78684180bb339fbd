/** Asks before something is done to one thing, with a note for the history if one is wanted; does it, and tells. */
import { Stack, Textarea } from "@mantine/core";
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";

import { Confirm } from "./Confirm";

interface Props<T, D> {
  /** What it is done to; nothing is asked without it. */
  to: T | undefined;
  title: (to: T) => string;
  verb: string;
  color?: string;
  hint: (to: T) => ReactNode;
  /** What is asked for beside the deed itself; it is given to `act`. */
  note?: { label: string; hint: string };
  act: (to: T, note: string) => Promise<D>;
  tell: (to: T, done: D) => void;
  /** The queries whose answers are old then. */
  stale: QueryKey;
  /** Those of other pages. */
  elsewhere?: QueryKey[];
  onClose: () => void;
}

export function Deed<T, D>({ to, title, verb, color, hint, note, act, tell, stale, elsewhere = [], onClose }: Props<T, D>) {
  const [said, setSaid] = useState("");
  const queries = useQueryClient();
  const close = () => {
    setSaid("");
    onClose();
  };
  const deed = useMutation({
    mutationFn: (thing: T) => act(thing, said),
    onSuccess: async (done, thing) => {
      tell(thing, done);
      close();
      await Promise.all([stale, ...elsewhere].map((queryKey) => queries.invalidateQueries({ queryKey })));
    },
  });
  return (
    <Confirm
      opened={to !== undefined}
      title={to === undefined ? "" : title(to)}
      verb={verb}
      {...(color === undefined ? {} : { color })}
      pending={deed.isPending}
      error={deed.error}
      onConfirm={() => to !== undefined && deed.mutate(to)}
      onClose={() => {
        deed.reset();
        close();
      }}
    >
      {to !== undefined && (
        <Stack>
          {hint(to)}
          {note && (
            <Textarea
              label={note.label}
              description={note.hint}
              value={said}
              onChange={(event) => setSaid(event.currentTarget.value)}
              autosize
              data-autofocus
            />
          )}
        </Stack>
      )}
    </Confirm>
  );
}
