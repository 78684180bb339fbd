/** The services of a gateway group. */
import { t } from "@/texts";
import { Page } from "@/ui/Page";

export function ServicesPage({ groupId }: { groupId: string }) {
  return (
    <Page title={t.common.nav.services} said={groupId}>
      {null}
    </Page>
  );
}
