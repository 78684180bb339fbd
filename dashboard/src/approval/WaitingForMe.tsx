/** How many requests wait for the consent of who looks: his own wait for somebody else. */
import { Badge } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { meQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";

import { approvalsQuery, PAGE_SIZE } from "./queries";

export function WaitingForMe() {
  const permissions = usePermissions();
  const allowed = permissions["ListApprovals"] === true && permissions["DecideApproval"] === true;
  const pending = useQuery({ ...approvalsQuery("pending", 1), enabled: allowed, retry: false }).data;
  const me = useQuery(meQuery).data?.username;
  const count = pending?.list.filter(({ requested_by: by }) => by !== me).length ?? 0;
  if (count === 0) return null;
  const said = (pending?.total ?? 0) > PAGE_SIZE ? `${count}+` : String(count);
  return (
    <Badge size="sm" variant="filled" circle={said.length === 1} title={t.approval.waitForMe(said)} aria-label={t.approval.waitForMe(said)} role="img">
      {said}
    </Badge>
  );
}
