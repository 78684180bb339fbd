/** Where to go after signing in. */

/** An address of our own as it was given, or nothing: nobody may be sent to another site by a link to us. */
export function ownPath(given: unknown): string | undefined {
  if (typeof given !== "string" || !given.startsWith("/") || given.startsWith("//") || given.includes("\\")) {
    return undefined;
  }
  return given === "/" || given.startsWith("/sign-in") ? undefined : given;
}
