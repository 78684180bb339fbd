/** The way of every release: what is wanted, what it would change, done, and is it live. */
import { Alert, Button, Group, Modal, Stack, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, type SubmitEvent, useState } from "react";

import { groupsQuery } from "@/api/queries";
import type { Plan, Released } from "@/api/shapes";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { Receipt } from "@/ui/Receipt";

import { refusesDuplicates, Review } from "./Review";

interface Props {
  opened: boolean;
  title: string;
  /** What the last button says: "Sync now". */
  verb: string;
  /** The questions before it; without any the review comes at once, and `preview` is asked when it opens. */
  form?: ReactNode;
  /** What to know while looking at the changes. */
  children?: ReactNode;
  /** Asks what it would change. */
  preview: () => Promise<Plan>;
  /** Does it. */
  release: () => Promise<Released>;
  onClose: () => void;
}

export function ReleaseModal(props: Props) {
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={props.title}
      size="xl"
      closeOnClickOutside={false}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      <Steps {...props} />
    </Modal>
  );
}

function Steps({ verb, form, children, preview, release, onClose }: Props) {
  const [reviewing, setReviewing] = useState(form === undefined);
  const queries = useQueryClient();
  const plan = useQuery({
    queryKey: ["plan"],
    queryFn: preview,
    enabled: reviewing,
    gcTime: 0,
    staleTime: Infinity,
    retry: false,
    refetchOnWindowFocus: false,
  });
  const doing = useMutation({
    mutationFn: release,
    onSuccess: async () => {
      await Promise.all(["group", "matrix", "templates"].map((told) => queries.invalidateQueries({ queryKey: [told] })));
    },
  });
  const back = () => {
    setReviewing(false);
    queries.removeQueries({ queryKey: ["plan"] });
    doing.reset();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setReviewing(true);
  };
  if (doing.isSuccess) return <Done released={doing.data} onClose={onClose} />;
  if (!reviewing) {
    return (
      <form onSubmit={submit}>
        <Stack>
          {form}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t.common.cancel}
            </Button>
            <Button type="submit">{t.release.review}</Button>
          </Group>
        </Stack>
      </form>
    );
  }
  const blocked = plan.data && refusesDuplicates(plan.data) && plan.data.groups.some((group) => group.conflicts.duplicate.length > 0);
  return (
    <Stack>
      <Title order={3} size="h5">
        {t.release.reviewTitle}
      </Title>
      {children}
      <Review query={plan} />
      {doing.error && <ErrorNote error={doing.error} />}
      <Group justify="flex-end">
        {form !== undefined && (
          <Button variant="default" onClick={back}>
            {t.common.back}
          </Button>
        )}
        <Button variant="default" onClick={onClose}>
          {t.common.cancel}
        </Button>
        <Button loading={doing.isPending} disabled={!plan.data || blocked} onClick={() => doing.mutate()}>
          {plan.data?.approval_rule ? t.release.ask : verb}
        </Button>
      </Group>
    </Stack>
  );
}

function Done({ released, onClose }: { released: Released; onClose: () => void }) {
  const names = new Map((useQuery(groupsQuery).data ?? []).map((group) => [group.id, group.name]));
  const close = (
    <Group justify="flex-end">
      <Button onClick={onClose}>{t.common.close}</Button>
    </Group>
  );
  if (released.approval) {
    return (
      <Stack>
        <Alert variant="outline" color="blue" title={t.release.asked}>
          {t.release.askedHint}
        </Alert>
        {close}
      </Stack>
    );
  }
  return (
    <Stack>
      <Title order={3} size="h5">
        {t.release.doneTitle}
      </Title>
      {Object.entries(released.revisions ?? {}).map(([groupId, revision]) => (
        <Receipt key={groupId} groupId={groupId} revision={revision} title={names.get(groupId) ?? groupId} />
      ))}
      {close}
    </Stack>
  );
}
