/** The audit log as files, by the filters that are set. */
import { Button } from "@mantine/core";
import { Download } from "lucide-react";

import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { MayButton } from "@/ui/MayButton";

import { filters } from "./queries";
import type { AuditSearch } from "./search";

const words = t.organisation.audit;
const FORMATS = ["csv", "json"] as const;

export function Exports({ search }: { search: AuditSearch }) {
  const allowed = usePermissions()["ExportAuditLogs"];
  return FORMATS.map((format) => {
    const look = { variant: "default", leftSection: <Download size={16} aria-hidden /> } as const;
    if (allowed !== true) {
      return (
        <MayButton key={format} allowed={allowed ?? t.common.loading} {...look}>
          {words[format]}
        </MayButton>
      );
    }
    const wanted = new URLSearchParams({ ...filters(search), format });
    return (
      <Button key={format} component="a" href={`/api/audit_logs/export?${wanted.toString()}`} download {...look}>
        {words[format]}
      </Button>
    );
  });
}
