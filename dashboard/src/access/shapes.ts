/** Policies and roles as the API shows them, and what a decision is explained with. */
import type { Labels } from "@/api/shapes";

export interface Match {
  type: "MatchLabel";
  options: { key: string; value: string; operator: "exact_match" };
}

export interface Statement {
  effect?: "allow" | "deny";
  actions: string[];
  resources: string[];
  /** By what is asked for the label: one match, or several that must all hold. */
  conditions?: Record<string, Match | Match[]>;
}

interface Named {
  id: string;
  name: string;
  desc: string;
  labels: Labels;
  built_in: boolean;
  created_at: number;
  updated_at: number;
}

export type Policy = Named & { statement: Statement[] };
export type Role = Named & { policies: string[] };
