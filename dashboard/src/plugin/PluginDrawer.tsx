/** Beside a form: chooses a plugin, then shows its configuration as form and text in step. What is typed counts at once. */
import { Button, Drawer, Group, SimpleGrid, Stack } from "@mantine/core";

import type { Json } from "@/api/resources";
import { t } from "@/texts";
import { DocumentEditor } from "@/ui/DocumentEditor";

import { Catalogue } from "./Catalogue";
import { ConfForm } from "./ConfForm";
import type { PlaceName } from "./places";

interface Props {
  opened: boolean;
  place: PlaceName;
  /** The plugin that is edited; without it one is chosen first. */
  name: string | undefined;
  taken: string[];
  value: Json;
  onChoose: (name: string) => void;
  onChange: (value: Json) => void;
  onClose: () => void;
}

export function PluginDrawer({ opened, place, name, taken, value, onChoose, onChange, onClose }: Props) {
  return (
    <Drawer
      stackId="plugin"
      opened={opened}
      onClose={onClose}
      size="min(1240px, 100vw)"
      title={name === undefined ? t.plugin.add : t.plugin.one(name)}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      {name === undefined ? (
        <Catalogue place={place} taken={taken} onChoose={onChoose} />
      ) : (
        <Stack>
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
            <ConfForm name={name} place={place} value={value} onChange={onChange} />
            <DocumentEditor label={t.plugin.one(name)} value={value} height="55vh" onChange={onChange} />
          </SimpleGrid>
          <Group justify="flex-end">
            <Button onClick={onClose}>{t.plugin.done}</Button>
          </Group>
        </Stack>
      )}
    </Drawer>
  );
}
