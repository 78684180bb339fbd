/** Says in a corner that something was done, and shows there how it becomes live. */
import { notifications } from "@mantine/notifications";

import { t } from "@/texts";

import { Receipt } from "./Receipt";

/** After a change of a gateway group: what was done, with the receipt of its revision. */
export function tellLive(title: string, groupId: string, revision: number | null): void {
  const message = revision === null ? null : <Receipt groupId={groupId} revision={revision} />;
  notifications.show({ title, message, autoClose: 8000, color: "green", closeButtonProps: { "aria-label": t.common.close } });
}

/** After a change that no instance has to hear of. */
export function tell(title: string): void {
  notifications.show({ message: title, color: "green", closeButtonProps: { "aria-label": t.common.close } });
}
