/** A JSON schema made fit for a form: what the server's schemas say for machines only is left out. */
import type { RJSFSchema } from "@rjsf/utils";

/**
 * "Or null" goes (leaving the field out says the same), made-up titles go (people know fields by their names), and so
 * does "anything else is allowed, too" of objects that name their fields.
 */
export function simplified(schema: RJSFSchema): RJSFSchema {
  const { anyOf, oneOf, properties, items, additionalProperties, $defs, ...rest } = schema;
  const made: RJSFSchema = { ...rest };
  delete made.title;
  const choices = (anyOf ?? oneOf)?.filter((each) => typeof each !== "object" || each.type !== "null");
  if (made.default === null) delete made.default;
  if (properties) {
    made.properties = Object.fromEntries(Object.entries(properties).map(([key, part]) => [key, inner(part)]));
  }
  if (items) made.items = Array.isArray(items) ? items.map(inner) : inner(items);
  if ($defs) made.$defs = Object.fromEntries(Object.entries($defs).map(([key, part]) => [key, inner(part)]));
  if (typeof additionalProperties === "object") made.additionalProperties = inner(additionalProperties);
  else if (!properties && additionalProperties !== undefined) made.additionalProperties = additionalProperties;
  if (!choices) return made;
  const [only] = choices;
  if (choices.length === 1 && typeof only === "object") return { ...simplified(only), ...made };
  return { ...made, anyOf: choices.map(inner) };
}

function inner(part: RJSFSchema | boolean): RJSFSchema | boolean {
  return typeof part === "boolean" ? part : simplified(part);
}
