/** Where plugins are used, which of them may be there, and what is configured of them there. */
import type { Plugin, SchemaType } from "./queries";

interface Where {
  /** Whether a plugin may be used there at all; the API says what else speaks against it. */
  fits: (plugin: Plugin) => boolean;
  type: (plugin: Plugin) => SchemaType;
  /** How many there can be. */
  most?: number;
}

const conf = (): SchemaType => "conf";
const credential = (plugin: Plugin): SchemaType => (plugin.authenticates ? "consumer" : "conf");

export const PLACES = {
  service: { fits: () => true, type: conf },
  route: { fits: () => true, type: conf },
  stream: { fits: (plugin) => plugin.streams, type: () => "stream" },
  consumer: { fits: () => true, type: credential },
  credential: { fits: (plugin) => plugin.authenticates, type: credential, most: 1 },
  global: { fits: () => true, type: conf, most: 1 },
  metadata: { fits: (plugin) => plugin.has_metadata, type: () => "metadata" },
} satisfies Record<string, Where>;

export type PlaceName = keyof typeof PLACES;

export function whereIs(place: PlaceName): Where {
  return PLACES[place];
}

const PHASES = ["rewrite", "access", "before_proxy", "response", "log", "output"];

/** Negative if a plugin runs before another; `_meta.priority` moves it within its phase. */
export function earlier(one: Plugin, other: Plugin, priority: (plugin: Plugin) => number): number {
  return PHASES.indexOf(one.phase) - PHASES.indexOf(other.phase) || priority(other) - priority(one);
}
