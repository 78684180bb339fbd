/** A JSON schema made fit for a form, and how each part of it is drawn. */

import { without } from "../objects";

export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  prefixItems?: Schema[];
  anyOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  [keyword: string]: unknown;
}

/** How a part is drawn: `fields` is an object with names, `list` many of those, `yaml` whatever has no input of its own. */
export type Look = "fields" | "list" | "tags" | "choices" | "choice" | "switch" | "number" | "secret" | "text" | "yaml";

/**
 * The schema without what only machines need: references are followed, "or null" goes (leaving the field out says the
 * same), and so do made-up titles (people know fields by their names).
 */
export function expanded(schema: Schema, defs = schema.$defs ?? {}, within: readonly string[] = []): Schema {
  const { $ref, anyOf, properties, items } = schema;
  if ($ref !== undefined) return referred($ref, without(schema, "$ref", "title"), defs, within);
  const inner = (part: Schema) => expanded(part, defs, within);
  const made: Schema = without(schema, "$defs", "title", "anyOf", schema.default === null ? "default" : "");
  if (properties) made.properties = Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, inner(part)]));
  if (items) made.items = inner(items);
  const choices = anyOf?.filter((each) => each.type !== "null").map(inner) ?? [];
  const [only] = choices;
  if (choices.length === 1) return { ...only, ...made };
  const words = choices.map((each) => each.enum);
  if (choices.length > 1) Object.assign(made, words.every(Boolean) ? { enum: words.flat() } : { anyOf: choices });
  return made;
}

/** What a reference leads to; to itself: anything, because a form must end somewhere. */
function referred($ref: string, rest: Schema, defs: Record<string, Schema>, within: readonly string[]): Schema {
  const name = $ref.split("/").at(-1) ?? "";
  const target = defs[name];
  return target && !within.includes(name) ? expanded({ ...target, ...rest }, defs, [...within, name]) : rest;
}

/** How a part of an expanded schema is drawn. */
export function lookOf(schema: Schema): Look {
  if (schema.anyOf ?? schema.prefixItems) return "yaml";
  if (schema.enum ?? schema.const) return "choice";
  switch (schema.type) {
    case "object":
      return schema.properties ? "fields" : "yaml";
    case "array":
      return manyOf(schema.items);
    case "boolean":
      return "switch";
    case "integer":
    case "number":
      return "number";
    case "string":
      return schema.format === "password" ? "secret" : "text";
    default:
      return "yaml";
  }
}

function manyOf(items: Schema | undefined): Look {
  const look = items ? lookOf(items) : "yaml";
  if (look === "fields") return "list";
  if (look === "choice") return "choices";
  return look === "text" || look === "number" ? "tags" : "yaml";
}
