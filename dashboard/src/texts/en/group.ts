/** Pages of one gateway group. */
export const group = {
  edit: "Edit the gateway group",
  overview: "Overview",
} as const;
