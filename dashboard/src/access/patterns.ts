/** Patterns of policies: `*` stands for anything, `<...>` holds a regular expression, the rest is meant as it is. */

/** Whether the pattern covers the text; undefined for what is no pattern, or one that only the API's RE2 can read. */
export function covers(pattern: string, text: string): boolean | undefined {
  try {
    return new RegExp(`^(?:${expression(pattern)})$`, "s").test(text);
  } catch {
    return undefined;
  }
}

/** What of all of these the patterns cover together. */
export function covered<T>(patterns: readonly string[], all: readonly T[], text: (one: T) => string): T[] {
  return all.filter((one) => patterns.some((pattern) => covers(pattern, text(one)) === true));
}

function expression(pattern: string): string {
  return pattern
    .split(/(<[^>]*>)/)
    .map((part) => (part.startsWith("<") && part.endsWith(">") ? `(?:${part.slice(1, -1)})` : literal(part)))
    .join("");
}

function literal(part: string): string {
  if (part.includes("<")) throw new SyntaxError(part);
  return part.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
}
