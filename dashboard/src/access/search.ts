/** What the address of the explainer says: who wants to do what with what. */
export interface Question {
  /** The id of a user; without it, who is signed in. */
  user?: string | undefined;
  action?: string | undefined;
  resource?: string | undefined;
  consumer?: string | undefined;
}

const REFUSAL = /is not allowed to do \[([^\]]+)\] with \[([^\]]+)\]/;

/** The question of an address, whoever wrote it; `refusal` holds the words in which the API refused something. */
export function question(given: Record<string, unknown>): Question & { refusal?: string } {
  return {
    user: text(given["user"]),
    action: text(given["action"]),
    resource: text(given["resource"]),
    consumer: text(given["consumer"]),
    ...asked(text(given["refusal"]) ?? ""),
  };
}

/** What was asked where the API refused with these words; nothing if they are others. */
export function asked(refusal: string): Required<Pick<Question, "action" | "resource">> | undefined {
  const [, action, resource] = REFUSAL.exec(refusal) ?? [];
  return action && resource ? { action, resource } : undefined;
}

function text(given: unknown): string | undefined {
  if (typeof given === "number") return String(given);
  return typeof given === "string" && given ? given : undefined;
}
