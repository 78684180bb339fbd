/** What is wrong with a value by its schema, found without evaluated code, which our Content-Security-Policy would stop. */
import { type OutputUnit, type Schema as Judged, Validator } from "@cfworker/json-schema";

import { t } from "@/texts";

import type { Schema } from "./schema";

/** By JSON pointer, what is wrong there. */
export type Problems = Readonly<Record<string, string>>;

/** Says that something below is wrong; what is wrong is said there. */
const WRAPPING = new Set(["properties", "items", "prefixItems", "additionalProperties", "patternProperties", "anyOf"]);

export function problemsOf(schema: Schema, value: unknown): Problems {
  const found = new Validator(schema as Judged, "2020-12", false).validate(value).errors;
  const own = found.filter((each) => !WRAPPING.has(each.keyword)).map(said);
  return Object.fromEntries(own.reverse());
}

/** A field that is missing is told where it should be. */
function said({ keyword, instanceLocation, error }: OutputUnit): [string, string] {
  const pointer = instanceLocation.slice(1);
  const bound = /(\S+)\.$/.exec(error)?.[1] ?? "";
  switch (keyword) {
    case "required":
      return [`${pointer}/${/"(.*)"/.exec(error)?.[1] ?? ""}`, t.form.missing];
    case "exclusiveMinimum":
      return [pointer, t.form.above(bound)];
    case "exclusiveMaximum":
      return [pointer, t.form.below(bound)];
    default:
      return [pointer, error];
  }
}
