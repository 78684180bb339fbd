/** Asks before something is done to one thing, does it, and tells that it is done. */
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { Confirm } from "./Confirm";

interface Props<T, D> {
  /** What it is done to; nothing is asked without it. */
  to: T | undefined;
  title: (to: T) => string;
  verb: string;
  hint: (to: T) => ReactNode;
  act: (to: T) => Promise<D>;
  tell: (to: T, done: D) => void;
  /** The queries whose answers are old then. */
  stale: QueryKey;
  onClose: () => void;
}

export function Deed<T, D>({ to, title, verb, hint, act, tell, stale, onClose }: Props<T, D>) {
  const queries = useQueryClient();
  const deed = useMutation({
    mutationFn: act,
    onSuccess: async (done, thing) => {
      tell(thing, done);
      onClose();
      await queries.invalidateQueries({ queryKey: stale });
    },
  });
  return (
    <Confirm
      opened={to !== undefined}
      title={to === undefined ? "" : title(to)}
      verb={verb}
      pending={deed.isPending}
      error={deed.error}
      onConfirm={() => to !== undefined && deed.mutate(to)}
      onClose={() => {
        deed.reset();
        onClose();
      }}
    >
      {to !== undefined && hint(to)}
    </Confirm>
  );
}
