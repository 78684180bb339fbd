/** A gateway group's whole configuration as one document. */
export const configuration = {
  title: "Configuration as a file",
  hint: "The whole gateway group as one document. Change it here or bring another one, look at the difference, apply it in one step.",
  document: "Configuration",
  current: "Load what the group has",
  upload: "Choose a file",
  download: "Save as file",
  prune: "Delete what the document does not name",
  pruneHint: "Of the kinds that it names: with “routes” missing below a service, its routes go. Without this nothing is ever deleted.",
  note: "Note",
  noteHint: "Why, for the log of revisions",
  secrets: "Secrets show as ***. Left as they are, they stand for the secret that is stored.",
  applyTitle: (name: string) => `Apply to ${name}`,
  apply: "Apply now",
  unreadable: "This cannot be read as YAML or JSON",
} as const;
