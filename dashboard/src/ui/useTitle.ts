/** The title of the browser's tab. */
import { useDocumentTitle } from "@mantine/hooks";

import { t } from "@/texts";

export function useTitle(title: string): void {
  useDocumentTitle(`${title} · ${t.common.product}`);
}
