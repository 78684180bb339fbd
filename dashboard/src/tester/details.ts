/** Envoy's response code details in words: Envoy documentation, "Response Code Details". */
import { t } from "@/texts";

const meanings: Readonly<Record<string, string>> = t.tester.meanings;

/** What they mean, as far as that is known; what follows a brace is about this one request. */
export function said(details: string): string | undefined {
  const [name = ""] = details.split("{");
  return meanings[name] ?? meanings[name.split(":")[0] ?? ""];
}
