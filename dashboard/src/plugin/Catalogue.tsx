/** Every plugin that may be used somewhere, searched by words and by category. */
import { Badge, Chip, Group, Paper, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useState } from "react";

import { t } from "@/texts";
import { Loaded } from "@/ui/Loaded";

import classes from "./Catalogue.module.css";
import { type PlaceName, whereIs } from "./places";
import { catalogueQuery, type Plugin } from "./queries";

interface Props {
  place: PlaceName;
  /** Names of those that are there already. */
  taken: string[];
  onChoose: (name: string) => void;
}

const ALL = "";

export function Catalogue(props: Props) {
  const query = useQuery(catalogueQuery);
  return <Loaded query={query}>{(plugins) => <Found {...props} plugins={plugins.filter(whereIs(props.place).fits)} />}</Loaded>;
}

function Found({ plugins, taken, onChoose }: Props & { plugins: Plugin[] }) {
  const [text, setText] = useState("");
  const [category, setCategory] = useState(ALL);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = plugins
    .filter((plugin) => category === ALL || plugin.category === category)
    .filter((plugin) => words.every((word) => textOf(plugin).includes(word)))
    .sort((one, other) => one.name.localeCompare(other.name));
  const categories = [...new Set(plugins.map((plugin) => plugin.category))].sort();
  return (
    <Stack>
      <TextInput
        label={t.plugin.search}
        placeholder={t.plugin.searchHint}
        leftSection={<Search size={14} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        data-autofocus
      />
      <Chip.Group value={category} onChange={setCategory}>
        <Group gap="xs" role="radiogroup" aria-label={t.plugin.category}>
          {[ALL, ...categories].map((each) => (
            <Chip key={each} value={each} size="xs">
              {each === ALL ? t.common.all : each}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <Text size="sm" c="dimmed" role="status">
        {t.plugin.found(found.length, plugins.length)}
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs">
        {found.map((plugin) => (
          <Entry key={plugin.name} plugin={plugin} taken={taken.includes(plugin.name)} onChoose={onChoose} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}

function textOf(plugin: Plugin): string {
  const examples = plugin.examples.map((example) => example.title);
  return [plugin.name, plugin.summary, plugin.category, ...examples].join(" ").toLowerCase();
}

function Entry({ plugin, taken, onChoose }: { plugin: Plugin; taken: boolean; onChoose: (name: string) => void }) {
  return (
    <Paper
      component="button"
      type="button"
      withBorder
      p="sm"
      ta="left"
      className={classes.entry ?? ""}
      disabled={taken}
      onClick={() => onChoose(plugin.name)}
    >
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text fw={600} className="break">
          {plugin.name}
        </Text>
        <Badge variant="default" tt="none" fw={500} className={classes.mark ?? ""}>
          {taken ? t.plugin.taken : plugin.category}
        </Badge>
      </Group>
      <Text size="sm" c="dimmed">
        {plugin.summary}
      </Text>
    </Paper>
  );
}
