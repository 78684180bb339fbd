/** Makes an approval rule, or changes one; says which gateway groups it covers while its labels are typed. */
import { Button, Group, MultiSelect, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import type { Group as GatewayGroup } from "@/api/shapes";
import type { Permissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote, fieldError } from "@/ui/ErrorNote";
import { GuardedDrawer } from "@/ui/GuardedDrawer";
import { LabelsInput } from "@/ui/Labels";
import { MayButton } from "@/ui/MayButton";
import { tell } from "@/ui/told";

import { covered } from "./covered";
import { OPERATIONS, type Rule, rulesQuery, saveRule, type WantedRule } from "./queries";

const HOUR = 3600;
const FRESH: WantedRule = {
  name: "",
  labels: {},
  operations: ["publish", "sync", "apply", "restore", "ring"],
  expires_after: 24 * HOUR,
};

interface Props {
  /** The rule to change, or that a new one is wanted; nothing is shown without either. */
  rule: Rule | "new" | undefined;
  groups: GatewayGroup[];
  permissions: Permissions;
  onClose: () => void;
}

export function RuleForm(props: Props) {
  // a new form each time it opens
  return props.rule === undefined ? null : <Opened {...props} rule={props.rule} />;
}

function Opened({ rule: given, groups, permissions, onClose }: Props & { rule: Rule | "new" }) {
  const rule = given === "new" ? undefined : given;
  const [start] = useState<WantedRule>(() => wantedOf(rule ?? FRESH));
  const [wanted, setWanted] = useState(start);
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => saveRule(rule?.id, wanted),
    onSuccess: async () => {
      tell(t.approvalRule.saved(wanted.name));
      onClose();
      await queries.invalidateQueries({ queryKey: rulesQuery.queryKey });
    },
  });
  const change = (part: Partial<WantedRule>) => setWanted({ ...wanted, ...part });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const changed = JSON.stringify(wanted) !== JSON.stringify(start) && !save.isSuccess;
  const title = rule ? t.approvalRule.edit(rule.name) : t.approvalRule.add;
  return (
    <GuardedDrawer opened title={title} size="md" changed={changed} onClose={onClose}>
      {(ask) => (
          <form onSubmit={submit}>
            <Stack>
              <TextInput
                label={t.approvalRule.name}
                description={t.approvalRule.nameHint}
                value={wanted.name}
                onChange={(event) => change({ name: event.currentTarget.value })}
                error={fieldError(save.error, "/name")}
                maxLength={256}
                required
                data-autofocus
              />
              <LabelsInput
                label={t.approvalRule.labels}
                description={t.approvalRule.labelsHint}
                value={wanted.labels}
                known={[...new Set(groups.flatMap(({ labels }) => Object.entries(labels).map((pair) => pair.join(":"))))].sort()}
                onChange={(labels) => change({ labels })}
              />
              <Text size="sm" role="status" className="break">
                {t.approvalRule.covers}: {covered(groups, wanted.labels)}
              </Text>
              <MultiSelect
                label={t.approvalRule.operations}
                description={t.approvalRule.operationsHint}
                data={OPERATIONS.map((value) => ({ value, label: t.approval.operations[value] }))}
                value={wanted.operations}
                onChange={(operations) => change({ operations: OPERATIONS.filter((each) => operations.includes(each)) })}
                error={fieldError(save.error, "/operations")}
                withAsterisk
              />
              <NumberInput
                label={t.approvalRule.expiresHours}
                value={Number((wanted.expires_after / HOUR).toFixed(4))}
                onChange={(value) => change({ expires_after: Math.round(Number(value) * HOUR) })}
                error={fieldError(save.error, "/expires_after")}
                min={1 / HOUR}
                max={366 * 24}
                required
              />
              {save.error && <ErrorNote error={save.error} />}
              <Group justify="flex-end">
                <Button variant="default" onClick={ask}>
                  {t.common.cancel}
                </Button>
                <MayButton
                  type="submit"
                  allowed={permissions[rule ? "UpdateApprovalRule" : "CreateApprovalRule"]}
                  loading={save.isPending}
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

function wantedOf({ name, labels, operations, expires_after }: WantedRule): WantedRule {
  return { name, labels, operations, expires_after };
}
