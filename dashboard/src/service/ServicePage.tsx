/** A service of a gateway group. */
import { Page } from "@/ui/Page";

export function ServicePage({ serviceId }: { groupId: string; serviceId: string }) {
  return <Page title={serviceId}>{null}</Page>;
}
