/** Makes an approval rule, or changes one; says which gateway groups it covers while its labels are typed. */
import { MultiSelect, NumberInput, Text, TextInput } from "@mantine/core";

import type { Group as GatewayGroup } from "@/api/shapes";
import type { Permissions } from "@/session/permissions";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { FormDrawer } from "@/ui/FormDrawer";
import { LabelsInput } from "@/ui/Labels";

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

export function RuleForm({ rule: given, groups, permissions, onClose }: Props) {
  if (given === undefined) return null;
  const rule = given === "new" ? undefined : given;
  return (
    <FormDrawer
      title={rule ? t.approvalRule.edit(rule.name) : t.approvalRule.add}
      from={wantedOf(rule ?? FRESH)}
      fresh={rule === undefined}
      fields={(props) => <Fields {...props} groups={groups} />}
      save={(wanted) => saveRule(rule?.id, wanted)}
      done={(wanted) => t.approvalRule.saved(wanted.name)}
      stale={rulesQuery.queryKey}
      allowed={permissions[rule ? "UpdateApprovalRule" : "CreateApprovalRule"]}
      onClose={onClose}
    />
  );
}

interface FieldsProps {
  value: WantedRule;
  groups: GatewayGroup[];
  error: Error | null;
  onChange: (value: WantedRule) => void;
}

function Fields({ value, groups, error, onChange }: FieldsProps) {
  const change = (part: Partial<WantedRule>) => onChange({ ...value, ...part });
  return (
    <>
      <TextInput
        label={t.approvalRule.name}
        description={t.approvalRule.nameHint}
        value={value.name}
        onChange={(event) => change({ name: event.currentTarget.value })}
        error={fieldError(error, "/name")}
        maxLength={256}
        required
        data-autofocus
      />
      <LabelsInput
        label={t.approvalRule.labels}
        description={t.approvalRule.labelsHint}
        value={value.labels}
        known={[...new Set(groups.flatMap(({ labels }) => Object.entries(labels).map((pair) => pair.join(":"))))].sort()}
        onChange={(labels) => change({ labels })}
      />
      <Text size="sm" role="status" className="break">
        {t.approvalRule.covers}: {covered(groups, value.labels)}
      </Text>
      <MultiSelect
        label={t.approvalRule.operations}
        description={t.approvalRule.operationsHint}
        data={OPERATIONS.map((each) => ({ value: each, label: t.approval.operations[each] }))}
        value={value.operations}
        onChange={(operations) => change({ operations: OPERATIONS.filter((each) => operations.includes(each)) })}
        error={fieldError(error, "/operations")}
        withAsterisk
      />
      <NumberInput
        label={t.approvalRule.expiresHours}
        value={Number((value.expires_after / HOUR).toFixed(4))}
        onChange={(hours) => change({ expires_after: Math.round(Number(hours) * HOUR) })}
        error={fieldError(error, "/expires_after")}
        min={1 / HOUR}
        max={366 * 24}
        required
      />
    </>
  );
}

function wantedOf({ name, labels, operations, expires_after }: WantedRule): WantedRule {
  return { name, labels, operations, expires_after };
}
