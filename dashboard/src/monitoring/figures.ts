/** Figures as people read them. */

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function count(given: number): string {
  return given < 10_000 ? new Intl.NumberFormat("en").format(given) : compact.format(given);
}

export function rate(given: number): string {
  return given === 0 ? "0" : given < 0.01 ? "< 0.01" : plain.format(given);
}

export function percent(given: number): string {
  if (given === 0) return "0 %";
  return given < 0.0001 ? "< 0.01 %" : `${plain.format(given * 100)} %`;
}

export function milliseconds(given: number | null | undefined): string {
  if (given === null || given === undefined) return "–";
  return given >= 1000 ? `${plain.format(given / 1000)} s` : `${plain.format(given)} ms`;
}

export function bytes(given: number): string {
  const power = given < 1 ? 0 : Math.min(Math.floor(Math.log10(given) / 3), UNITS.length - 1);
  return `${plain.format(given / 1000 ** power)} ${UNITS[power] ?? ""}`;
}
