/** Plain objects, as forms change them. */

/** An object without some of its fields. */
export function without(body: Record<string, unknown>, ...keys: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !keys.includes(key)));
}

/** Sets a field, or takes it away when it says nothing: what is absent and what is empty are two things to the API. */
export function changed(body: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  return saysNothing(value) ? without(body, key) : { ...body, [key]: value };
}

function saysNothing(value: unknown): boolean {
  if (typeof value !== "object") return value === "" || value === undefined;
  return value === null || Object.keys(value).length === 0;
}
