/** What the navigation and the search list: a new page is a line here and its words in texts/en/common.ts. */
import type { LinkProps } from "@tanstack/react-router";
import {
  ArrowLeftRight,
  Boxes,
  ChartLine,
  CircleDotDashed,
  CircleHelp,
  Cpu,
  FileStack,
  Forward,
  Grid3x3,
  History,
  IdCard,
  KeyRound,
  LayoutDashboard,
  LayoutTemplate,
  ListChecks,
  LogIn,
  type LucideIcon,
  ReceiptText,
  ScrollText,
  Send,
  Server,
  Settings,
  Shield,
  UserCheck,
  Users,
} from "lucide-react";

import type { ComponentType } from "react";

import { WaitingForMe } from "@/approval/WaitingForMe";
import { type KindName, KINDS } from "@/kind/kinds";
import { t } from "@/texts";

export interface Place {
  title: string;
  Icon: LucideIcon;
  to: NonNullable<LinkProps["to"]>;
  /** Only the page itself marks it as the current one, not what is below it. */
  exact?: boolean;
  params?: Record<string, string>;
  /** What stands behind its name, for example how much waits there. */
  Mark?: ComponentType;
}

/** Pages of the whole installation. */
export const fleetPlaces: Place[] = [
  { title: t.common.nav.fleet, Icon: Server, to: "/", exact: true },
  { title: t.instance.all, Icon: Cpu, to: "/instances" },
  { title: t.common.nav.templates, Icon: LayoutTemplate, to: "/templates" },
  { title: t.matrix.title, Icon: Grid3x3, to: "/matrix" },
  { title: t.compare.title, Icon: ArrowLeftRight, to: "/compare" },
  { title: t.approval.title, Icon: ListChecks, to: "/approvals", Mark: WaitingForMe },
  { title: t.monitoring.titleFleet, Icon: ChartLine, to: "/monitoring" },
];

/** Pages of one gateway group, all below /groups/$groupId. */
export const groupPlaces: Place[] = [
  { title: t.common.nav.overview, Icon: LayoutDashboard, to: "/groups/$groupId", exact: true },
  { title: t.common.nav.services, Icon: Boxes, to: "/groups/$groupId/services" },
  { title: t.instance.title, Icon: Cpu, to: "/groups/$groupId/instances" },
  { title: t.receipt.title, Icon: ReceiptText, to: "/groups/$groupId/receipts" },
  { title: t.ring.title, Icon: CircleDotDashed, to: "/groups/$groupId/rings" },
  { title: t.revision.title, Icon: History, to: "/groups/$groupId/revisions" },
  { title: t.common.nav.configuration, Icon: FileStack, to: "/groups/$groupId/configuration" },
  { title: t.monitoring.title, Icon: ChartLine, to: "/groups/$groupId/monitoring" },
  { title: t.tester.title, Icon: Send, to: "/groups/$groupId/try" },
  ...Object.entries(KINDS).map(
    ([kind, { Icon }]): Place => ({
      title: t.kind.parts[kind as KindName].title,
      Icon,
      to: "/groups/$groupId/$kind",
      params: { kind },
    }),
  ),
  { title: t.settings.title, Icon: Settings, to: "/groups/$groupId/settings" },
];

/** Pages about users, tokens and what everybody did. */
export const organisationPlaces: Place[] = [
  { title: t.organisation.users.title, Icon: Users, to: "/users" },
  { title: t.access.roles.title, Icon: IdCard, to: "/roles" },
  { title: t.access.policies.title, Icon: Shield, to: "/policies" },
  { title: t.access.why.title, Icon: CircleHelp, to: "/why" },
  { title: t.organisation.tokens.title, Icon: KeyRound, to: "/tokens" },
  { title: t.approvalRule.title, Icon: UserCheck, to: "/approval-rules" },
  { title: t.organisation.logins.title, Icon: LogIn, to: "/login-options" },
  { title: t.organisation.audit.title, Icon: ScrollText, to: "/audit" },
  { title: t.organisation.sinks.title, Icon: Forward, to: "/audit-sinks" },
  { title: t.organisation.settings.title, Icon: Settings, to: "/settings" },
];
