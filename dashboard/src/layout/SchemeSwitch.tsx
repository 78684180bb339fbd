/** Light, dark, or as the system has it. */
import { ActionIcon, Menu, useMantineColorScheme } from "@mantine/core";
import { Monitor, Moon, Sun } from "lucide-react";

import { t } from "@/texts";

const SCHEMES = { light: Sun, dark: Moon, auto: Monitor } as const;

export function SchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Chosen = SCHEMES[colorScheme];
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t.common.themeSwitch}>
          <Chosen size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {(["light", "dark", "auto"] as const).map((scheme) => {
          const Icon = SCHEMES[scheme];
          return (
            <Menu.Item key={scheme} leftSection={<Icon size={14} aria-hidden />} onClick={() => setColorScheme(scheme)}>
              {t.common.theme[scheme]}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
