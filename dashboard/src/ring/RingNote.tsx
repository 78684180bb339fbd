/** Where a ring runs: that it does, and the way to it. */
import { Alert, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Go } from "@/ui/Go";

import { ringsQuery, saidServices } from "./queries";

/** Nothing while none runs in the gateway group, or with the service. */
export function RingNote({ groupId, serviceId }: { groupId: string; serviceId?: string }) {
  const enabled = usePermissions({ groupId, serviceId })["ListRings"] === true;
  const running = useQuery({ ...ringsQuery(groupId), enabled }).data?.list.find((ring) => ring.state === "running");
  if (!running) return null;
  if (serviceId !== undefined && running.services.every((service) => service.service_id !== serviceId)) return null;
  return (
    <Alert variant="outline" color="blue">
      <Group gap="md">
        <Text size="sm" className="break">
          {t.ring.running(saidServices(running), running.members.length)}
        </Text>
        <Go to="/groups/$groupId/rings/$ringId" params={{ groupId, ringId: running.id }} size="sm">
          {t.ring.watch}
        </Go>
      </Group>
    </Alert>
  );
}
