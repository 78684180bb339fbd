/** The order of rows by what each says in a column. */

/** As many digits as any number in a text is compared with. */
const DIGITS = 15;

/** A new list, in the order of what each row says; each is asked once, for many are compared over and over. */
export function ordered<T>(rows: readonly T[], said: (row: T) => unknown, desc: boolean): T[] {
  const keyed = rows.map((row) => ({ row, key: keyOf(said(row)) }));
  const turn = desc ? -1 : 1;
  return keyed.sort((a, b) => turn * compared(a.key, b.key)).map(({ row }) => row);
}

/** Numbers as such; texts whatever their case, with é beside e, and so that r9 stands before r10. */
function keyOf(value: unknown): number | string {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  if (typeof value !== "string") return "";
  return value
    .normalize("NFD")
    .toLowerCase()
    .replace(/\d+/g, (digits) => digits.padStart(DIGITS, "0"));
}

/** What says nothing stands first. */
function compared(one: number | string, other: number | string): number {
  if (typeof one !== typeof other) return typeof one === "number" ? 1 : -1;
  return one < other ? -1 : one > other ? 1 : 0;
}
