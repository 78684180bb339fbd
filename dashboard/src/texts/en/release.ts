/** Differences, publishing, syncing, rolling back, and receipts. */
export const release = {
  changes: "Changes",
  inWords: "In words",
  sideBySide: "Side by side",
  noChanges: "Nothing changes.",
  action: { added: "added", removed: "removed", changed: "changed" },
  field: "Field",
  before: "Before",
  after: "After",
  receipt: (revision: number) => `Revision ${revision}`,
  live: (live: number, total: number) => `${live} of ${total} instances live`,
  took: (p50: number, p99: number) => `live after ${Math.round(p50)} ms (p50), ${Math.round(p99)} ms (p99)`,
  expected: (p99: number) => `usually within ${Math.round(p99)} ms`,
  noInstances: "The group has no instance that could serve it yet.",
  waits: "not yet:",
  rejects: "refuses it:",
} as const;
