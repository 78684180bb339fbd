/** What the navigation and the search list: a new page is a line here and its words in texts/en/common.ts. */
import type { LinkProps } from "@tanstack/react-router";
import { Boxes, Cpu, FileStack, KeyRound, LayoutDashboard, LayoutTemplate, type LucideIcon, ScrollText, Server, Users } from "lucide-react";

import { type KindName, KINDS } from "@/kind/kinds";
import { t } from "@/texts";

export interface Place {
  title: string;
  Icon: LucideIcon;
  to: NonNullable<LinkProps["to"]>;
  /** Only the page itself marks it as the current one, not what is below it. */
  exact?: boolean;
  params?: Record<string, string>;
}

/** Pages of the whole installation. */
export const fleetPlaces: Place[] = [
  { title: t.common.nav.fleet, Icon: Server, to: "/", exact: true },
  { title: t.common.nav.templates, Icon: LayoutTemplate, to: "/templates" },
];

/** Pages of one gateway group, all below /groups/$groupId. */
export const groupPlaces: Place[] = [
  { title: t.common.nav.overview, Icon: LayoutDashboard, to: "/groups/$groupId", exact: true },
  { title: t.common.nav.services, Icon: Boxes, to: "/groups/$groupId/services" },
  { title: t.instance.title, Icon: Cpu, to: "/groups/$groupId/instances" },
  { title: t.common.nav.configuration, Icon: FileStack, to: "/groups/$groupId/configuration" },
  ...Object.entries(KINDS).map(
    ([kind, { Icon }]): Place => ({
      title: t.kind.parts[kind as KindName].title,
      Icon,
      to: "/groups/$groupId/$kind",
      params: { kind },
    }),
  ),
];

/** Pages about users, tokens and what everybody did. */
export const organisationPlaces: Place[] = [
  { title: t.organisation.users.title, Icon: Users, to: "/users" },
  { title: t.organisation.tokens.title, Icon: KeyRound, to: "/tokens" },
  { title: t.organisation.audit.title, Icon: ScrollText, to: "/audit" },
];
