/** Forms that are drawn from schemas. */
export const form = {
  missing: "It has to be there",
  above: (bound: string) => `It has to be more than ${bound}`,
  below: (bound: string) => `It has to be less than ${bound}`,
  unsaid: (value: string) => `If left out: ${value}`,
  more: (fields: number) => `Show ${fields} more ${fields === 1 ? "field" : "fields"}`,
  less: "Show fewer fields",
  item: (list: string, place: number) => `${list} ${place}`,
  addItem: (list: string) => `Add to ${list}`,
  removeItem: (list: string, place: number) => `Remove ${list} ${place}`,
  reveal: (field: string) => `Show or hide ${field}`,
} as const;
