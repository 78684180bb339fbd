/** Statements as forms see them: whatever the text beside the form makes of them, a form can be drawn. */
import type { Json } from "@/api/resources";

import type { Match, Statement } from "./shapes";

export interface Condition {
  /** Whose label is looked at, as the API calls it. */
  of: string;
  key: string;
  value: string;
}

export const FRESH: Statement = { effect: "allow", actions: [], resources: [] };

/** The statements of a policy's body. */
export function statementsOf(body: Json): Statement[] {
  const raw = body["statement"];
  if (!Array.isArray(raw)) return [];
  return raw.map((each: unknown) => {
    const one = (typeof each === "object" && each !== null ? each : {}) as Partial<Statement>;
    return { ...one, actions: texts(one.actions), resources: texts(one.resources) };
  });
}

/** Conditions one by one; those in a form that is not known are left out. */
export function conditionsIn({ conditions }: Statement): Condition[] {
  return Object.entries(conditions ?? {}).flatMap(([of, found]) =>
    [found].flat().flatMap((match) => {
      const options = (match as Partial<Match> | null)?.options;
      return options ? [{ of, key: options.key, value: options.value }] : [];
    }),
  );
}

/** The same statement with these conditions. */
export function withConditions(statement: Statement, conditions: readonly Condition[]): Statement {
  const rest = { ...statement };
  delete rest.conditions;
  if (conditions.length === 0) return rest;
  const found: Record<string, Match | Match[]> = {};
  for (const { of, key, value } of conditions) {
    const match: Match = { type: "MatchLabel", options: { key, value, operator: "exact_match" } };
    const there = found[of];
    found[of] = there === undefined ? match : [there, match].flat();
  }
  return { ...rest, conditions: found };
}

function texts(given: unknown): string[] {
  return Array.isArray(given) ? given.filter((each): each is string => typeof each === "string") : [];
}
