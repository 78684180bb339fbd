/** Where the figures of a monitoring page come from: Prometheus if one is set and may be asked, else the built-in store. */
import { useQuery } from "@tanstack/react-query";

import { prometheusQuery } from "@/api/queries";
import { usePermissions } from "@/session/permissions";

import type { MonitoringSearch, Source } from "./search";

export interface Sources {
  /** What is asked; not known yet without it. */
  source: Source | undefined;
  /** Whether one can choose between both. */
  both: boolean;
}

export function useSources(search: MonitoringSearch): Sources {
  const permissions = usePermissions();
  const [told, asked] = [permissions["GetPrometheus"], permissions["QueryPrometheus"]];
  const setting = useQuery({ ...prometheusQuery, enabled: told === true && asked === true });
  if (told === undefined || asked === undefined) return { source: search.source === "built_in" ? "built_in" : undefined, both: false };
  if (told !== true || asked !== true || setting.error) return { source: "built_in", both: false };
  if (setting.data === undefined) return { source: undefined, both: false };
  const both = setting.data.url !== undefined;
  return { source: both ? (search.source ?? "prometheus") : "built_in", both };
}
