/** What the address of the approvals says: which of them, and which page. */
import { pageOf } from "@/ui/Pages";

export const STATES = ["pending", "approved", "rejected", "expired", "all"] as const;
export type ApprovalState = (typeof STATES)[number];

export interface ApprovalSearch {
  state?: ApprovalState | undefined;
  page?: number | undefined;
}

/** The search of an address, whoever wrote it. */
export function approvalSearch(given: Record<string, unknown>): ApprovalSearch {
  const state = STATES.find((each) => each === given["state"]);
  return { state: state === "pending" ? undefined : state, page: pageOf(given["page"]) };
}
