/** Texts of service pages. */
export const service = {} as const;
