/** The revisions of a gateway group, and going back to one. */
export const revision = {
  title: "Revisions",
  hint: "Every change of the gateway group is a revision: who changed what, and the way back.",
  one: (number: number | string) => `Revision ${number}`,
  empty: "No revision yet",
  emptyHint: "The first change of this gateway group is its first revision.",
  number: "Revision",
  when: "When",
  who: "Who",
  action: "Action",
  what: "What",
  note: "Note",
  request: "Request",
  counts: (made: number, changed: number, gone: number) =>
    [made && `${made} added`, changed && `${changed} changed`, gone && `${gone} removed`].filter(Boolean).join(", ") ||
    "nothing",
  pages: "Pages of revisions",
  total: (count: number) => `${count} ${count === 1 ? "revision" : "revisions"} kept`,
  difference: "What it changed",
  notKept: "The revision before it is not kept any more, so its difference cannot be told.",
  receipt: "Is it live?",
  restore: "Restore",
  restoreTitle: (number: number) => `Go back to revision ${number}`,
  restoreHint:
    "The gateway group will hold exactly what it held then: services with their versions, consumers, certificates and all else. It becomes a new revision, so this can be taken back, too.",
  doRestore: "Restore now",
  compare: "Compare with now",
  compareTwo: "Compare two revisions",
} as const;
