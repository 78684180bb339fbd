/** What stays around every page: the bar at the top, the navigation, and the page itself between them. */
import { ActionIcon, AppShell, Burger, Button, Group, Kbd, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { openSpotlight } from "@mantine/spotlight";
import { Link, Outlet } from "@tanstack/react-router";
import { Search as SearchIcon } from "lucide-react";

import { t } from "@/texts";

import { Account } from "./Account";
import { GroupSwitcher } from "./GroupSwitcher";
import { Navigation } from "./Navigation";
import { Search } from "./Search";
import { SchemeSwitch } from "./SchemeSwitch";

export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 240, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="lg"
    >
      <a className="skip" href="#content">
        {t.common.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t.common.nav.open} />
            <Text component={Link} to="/" fw={700} visibleFrom="sm" c="inherit">
              {t.common.product}
            </Text>
            <GroupSwitcher />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Button
              variant="default"
              size="xs"
              visibleFrom="md"
              leftSection={<SearchIcon size={14} aria-hidden />}
              rightSection={<Kbd size="xs">Ctrl K</Kbd>}
              onClick={openSpotlight}
            >
              {t.common.search}
            </Button>
            <ActionIcon variant="default" size="lg" hiddenFrom="md" onClick={openSpotlight} aria-label={t.common.search}>
              <SearchIcon size={16} aria-hidden />
            </ActionIcon>
            <SchemeSwitch />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label={t.common.nav.main} p="xs" withBorder style={{ overflowY: "auto" }}>
        <Navigation onNavigate={close} />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Outlet />
      </AppShell.Main>
      <Search />
    </AppShell>
  );
}
