/** The instances of a ring, by the names of their hosts. */
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { instancesQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";

/** Host names by id; an instance that is gone keeps its id. */
export function useHostnames(groupId: string): (id: string) => string {
  const enabled = usePermissions({ groupId })["ListInstances"] === true;
  const list = useQuery({ ...instancesQuery(groupId), enabled }).data ?? [];
  const names = new Map(list.map(({ id, hostname }) => [id, hostname]));
  return (id) => names.get(id) ?? id;
}

/** Who would serve it first. */
export function FutureMembers({ groupId, members }: { groupId: string; members: readonly string[] }) {
  const name = useHostnames(groupId);
  return (
    <Text size="sm" className="break">
      {t.ring.wouldBe(members.map(name).join(", "))}
    </Text>
  );
}
