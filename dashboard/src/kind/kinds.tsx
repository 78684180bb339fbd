/** What the pages of resources know of each kind: where it is in the API, what its list shows, what a new one begins with. */
import {
  BadgeCheck,
  FileCode,
  FileKey,
  Globe,
  KeyRound,
  type LucideIcon,
  Network,
  Puzzle,
  ScrollText,
  ShieldCheck,
  Users,
  Vault,
} from "lucide-react";
import type { ReactNode } from "react";

import { at, type Json } from "@/api/resources";
import { t } from "@/texts";
import { Go } from "@/ui/Go";

import { Ends } from "./Ends";
import { RegistryState } from "./RegistryState";
import { SniEnds } from "./SniEnds";
import { Usage } from "./Usage";

export interface Item {
  id: string;
  name?: string;
  desc?: string;
  labels?: Record<string, string>;
  created_at: number;
  updated_at: number;
  [field: string]: unknown;
}

export interface Shown {
  header: string;
  cell: (item: Item, groupId: string) => ReactNode;
  text?: (item: Item) => string;
}

/** How the id of a new one is chosen where the API does not: a plugin's name, or a provider's kind and a name. */
export type Chosen = "plugin" | "manager";

export interface Kind {
  Icon: LucideIcon;
  /** The API's word in the names of its actions: CreateConsumer, UpdateConsumer, DeleteConsumer. */
  word: string;
  columns: Shown[];
  fresh: Json;
  chosen?: Chosen;
  named?: (item: Item) => string;
  /** They end one day, and the API finds those that do so soon. */
  ends?: true;
}

const plugins: Shown = {
  header: t.kind.plugins,
  cell: (item) => pluginNames(item).join(", ") || t.common.none,
  text: (item) => pluginNames(item).join(" "),
};

function pluginNames(item: Item): string[] {
  return Object.keys((item["plugins"] as object | undefined) ?? {});
}

function field(header: string, name: string): Shown {
  const text = (item: Item) => plain(item[name]);
  return { header, cell: text, text };
}

function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(", ");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

const clients = (name: string): Shown => ({
  header: t.kind.clients,
  cell: (item) => (item[name] ? t.kind.clientsMust : t.kind.clientsNeedNot),
});
const ends: Shown = { header: t.kind.ends, cell: (item) => <Ends pem={plain(item["cert"])} /> };
/** Who refers to it; the id of a secret provider has two parts. */
const usedBy = (path: string): Shown => ({
  header: t.usage.header,
  cell: (item, groupId) => (
    <Usage groupId={groupId} path={`${path}/${at(...item.id.split("/"))}`} name={item.name || item.id} />
  ),
});
const PEM = "-----BEGIN CERTIFICATE-----\n";
const KEY = "-----BEGIN PRIVATE KEY-----\n";

/** By their path in the API, which is their path here, too. */
export const KINDS = {
  consumers: {
    Icon: Users,
    word: "Consumer",
    named: (item) => plain(item["username"]),
    columns: [
      plugins,
      {
        header: t.kind.credentials,
        cell: (item, groupId) => (
          <Go
            to="/groups/$groupId/consumers/$consumer/credentials"
            params={{ groupId, consumer: plain(item["username"]) }}
          >
            {t.kind.credentials}
          </Go>
        ),
      },
    ],
    fresh: { username: "" },
  },
  certificates: {
    Icon: FileKey,
    word: "Certificate",
    columns: [ends, usedBy("certificates")],
    ends: true,
    fresh: { name: "", cert: PEM, key: KEY },
  },
  ca_certificates: {
    Icon: ShieldCheck,
    word: "CaCertificate",
    columns: [ends, usedBy("ca_certificates")],
    ends: true,
    fresh: { name: "", cert: PEM },
  },
  snis: {
    Icon: Globe,
    word: "Sni",
    named: (item) => plain(item["domain"]),
    columns: [
      field(t.kind.certificates, "certificates"),
      { header: t.kind.ends, cell: (item, groupId) => <SniEnds groupId={groupId} ids={item["certificates"]} /> },
      clients("mtls"),
    ],
    fresh: { name: "", domain: "www.example.com", certificates: [] },
  },
  ssls: {
    Icon: BadgeCheck,
    word: "Ssl",
    columns: [field(t.kind.server, "snis"), ends, clients("client")],
    fresh: { snis: ["www.example.com"], cert: PEM, key: KEY },
  },
  global_rules: {
    Icon: Puzzle,
    word: "GlobalRule",
    columns: [],
    chosen: "plugin",
    fresh: { plugins: {} },
  },
  plugin_metadata: {
    Icon: ScrollText,
    word: "PluginMetadata",
    columns: [],
    chosen: "plugin",
    fresh: {},
  },
  service_registries: {
    Icon: Network,
    word: "ServiceRegistry",
    columns: [
      field(t.kind.type, "type"),
      { header: t.kind.connected, cell: (item, groupId) => <RegistryState groupId={groupId} id={item.id} /> },
    ],
    fresh: { name: "", type: "nacos", nacos_config: { hosts: ["http://nacos:8848"] } },
  },
  secret_providers: {
    Icon: Vault,
    word: "SecretProvider",
    columns: [field(t.kind.type, "manager"), field(t.kind.address, "uri"), usedBy("secret_providers")],
    chosen: "manager",
    fresh: { uri: "https://vault:8200", prefix: "kv/gateway", token: "" },
  },
  protos: {
    Icon: FileCode,
    word: "Proto",
    columns: [usedBy("protos")],
    fresh: { name: "", content: 'syntax = "proto3";\n' },
  },
} satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

export const CREDENTIALS: Kind = {
  Icon: KeyRound,
  word: "ConsumerCredential",
  columns: [plugins],
  fresh: { name: "", plugins: { "key-auth": {} } },
};

export function isKind(name: string): name is KindName {
  return Object.hasOwn(KINDS, name);
}

/** What to call one of a kind. */
export function called(kind: Kind, item: Item): string {
  return kind.named?.(item) ?? (item.name || item.id);
}
