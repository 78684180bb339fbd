/** What is different between two states of a thing, as the audit log keeps them. */
import type { Change, FieldChange } from "@/api/shapes";

export interface Difference {
  changes: Change[];
  text: string[];
}

/** What the server makes itself says nothing about a change. */
const OWN = ["updated_at", "created_at"];

/** The difference between what a thing was and what it is; without one of them, it was added or removed. */
export function differenceOf(kind: string, id: string, before: unknown, after: unknown): Difference {
  const fields = [...fieldsOf("", before, after)];
  if (fields.length === 0) return { changes: [], text: [] };
  const action = before === undefined ? "added" : after === undefined ? "removed" : "changed";
  const name = named(after) ?? named(before) ?? id;
  const words = fields.map(({ path, ...both }) => `${path}: ${said(both.before)} → ${said(both.after)}`);
  const text = action === "changed" ? words : [`${kind.replaceAll("_", " ")} ${name}: ${action}`];
  return { changes: [{ kind, id, name, action, fields }], text };
}

function* fieldsOf(path: string, before: unknown, after: unknown): Generator<FieldChange> {
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  if (!isObject(before ?? after) || !isObject(after ?? before)) {
    yield { path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
    return;
  }
  const [was, is] = [before ?? {}, after ?? {}] as [Record<string, unknown>, Record<string, unknown>];
  for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
    if (path === "" && OWN.includes(key)) continue;
    yield* fieldsOf(path === "" ? key : `${path}.${key}`, was[key], is[key]);
  }
}

function isObject(given: unknown): given is Record<string, unknown> {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}

function named(given: unknown): string | undefined {
  if (!isObject(given)) return undefined;
  const name = given["name"] ?? given["username"];
  return typeof name === "string" ? name : undefined;
}

function said(given: unknown): string {
  if (given === undefined) return "–";
  return typeof given === "string" ? given : JSON.stringify(given);
}
