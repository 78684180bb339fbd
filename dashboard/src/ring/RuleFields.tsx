/** When a ring is rolled back by itself, and when it is promoted. */
import { Checkbox, Fieldset, Group, NumberInput, Select, Stack } from "@mantine/core";

import { t } from "@/texts";

import type { Rule } from "./queries";

const FRESH: Rule = { metric: "5xx_ratio", threshold: 0.02, window_seconds: 120, min_requests: 20, compare: "absolute" };
const METRICS = ["5xx_ratio", "latency_p99_ms"] as const;
const COMPARES = ["absolute", "rest"] as const;

interface Props {
  rule: Rule | undefined;
  onChange: (rule: Rule | undefined) => void;
}

export function RuleFields({ rule, onChange }: Props) {
  return (
    <Stack gap="xs">
      <Checkbox
        label={t.ring.withRule}
        description={t.ring.withRuleHint}
        checked={rule !== undefined}
        onChange={(event) => onChange(event.currentTarget.checked ? FRESH : undefined)}
      />
      {rule && <Fields rule={rule} onChange={onChange} />}
    </Stack>
  );
}

function Fields({ rule, onChange }: { rule: Rule; onChange: (rule: Rule) => void }) {
  const change = (part: Partial<Rule>) => onChange({ ...rule, ...part });
  // who means percent must not have to type a fraction
  const scale = rule.metric === "5xx_ratio" && rule.compare !== "rest" ? 100 : 1;
  return (
    <Fieldset legend={t.ring.rule}>
      <Stack gap="xs">
        <Group grow align="flex-end">
          <Select
            label={t.ring.metric}
            data={METRICS.map((value) => ({ value, label: t.ring.metrics[value] }))}
            value={rule.metric}
            onChange={(metric) => change(fresh(metric ?? "5xx_ratio", rule.compare))}
            allowDeselect={false}
          />
          <Select
            label={t.ring.compare}
            data={COMPARES.map((value) => ({ value, label: t.ring.compares[value] }))}
            value={rule.compare ?? "absolute"}
            onChange={(compare) => change(fresh(rule.metric, compare ?? "absolute"))}
            allowDeselect={false}
          />
        </Group>
        <Group grow align="flex-end">
          <NumberInput
            label={limitLabel(rule)}
            value={Number((rule.threshold * scale).toFixed(6))}
            onChange={(value) => change({ threshold: Number(value) / scale })}
            min={0}
            required
          />
          <NumberInput
            label={t.ring.window}
            value={rule.window_seconds ?? ""}
            onChange={(value) => change({ window_seconds: Number(value) })}
            min={5}
            max={86_400}
            allowDecimal={false}
            required
          />
        </Group>
        <Group grow align="flex-end">
          <NumberInput
            label={t.ring.minRequests}
            value={rule.min_requests ?? ""}
            onChange={(value) => change({ min_requests: Number(value) })}
            min={1}
            allowDecimal={false}
            required
          />
          <NumberInput
            label={t.ring.promoteAfter}
            placeholder={t.ring.promoteAfterHint}
            value={rule.promote_after_seconds ?? ""}
            onChange={(value) => change({ promote_after_seconds: value === "" ? undefined : Number(value) })}
            min={1}
            allowDecimal={false}
          />
        </Group>
      </Stack>
    </Fieldset>
  );
}

/** Another measure needs another limit. */
function fresh(metric: Rule["metric"], compare: Rule["compare"]): Partial<Rule> {
  const value = compare === "rest" ? 2 : metric === "5xx_ratio" ? 0.02 : 500;
  return { metric, compare: compare ?? "absolute", threshold: value };
}

function limitLabel({ metric, compare }: Rule): string {
  if (compare === "rest") return t.ring.limitTimes;
  return metric === "5xx_ratio" ? t.ring.limitRatio : t.ring.limitMs;
}

/** The rule in words. */
export function saidRule({ metric, threshold, window_seconds: window = 120, compare, ...rest }: Rule): string {
  const value = metric === "5xx_ratio" ? `${Number((threshold * 100).toFixed(4))} %` : `${threshold} ms`;
  const limit = compare === "rest" ? t.ring.timesRest(threshold) : value;
  const after = rest.promote_after_seconds ? t.ring.promotes(rest.promote_after_seconds) : "";
  return t.ring.ruleSaid(t.ring.metrics[metric], limit, window) + after;
}
