/** What the list and the page of an entry of the audit log both say of it. */
import { t } from "@/texts";
import { State } from "@/ui/State";

import type { AuditEntry } from "./queries";

const words = t.organisation.audit;

/** What an entry is about: the kind and the id of a thing. */
export function about({ resource_kind: kind, resource_id: id }: AuditEntry): string {
  return [kind?.replaceAll("_", " "), id].filter(Boolean).join(" ");
}

export function Outcome({ entry }: { entry: AuditEntry }) {
  const status = entry.http_response.status_code;
  return <State look={status < 400 ? "good" : "bad"}>{status < 400 ? words.done : words.refused(status)}</State>;
}
