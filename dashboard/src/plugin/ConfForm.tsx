/** One plugin's configuration as a form drawn from its schema, with examples to begin with. */
import { Button, Group, Menu, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ChevronDown } from "lucide-react";

import type { Json } from "@/api/resources";
import { t } from "@/texts";
import { Loaded } from "@/ui/Loaded";
import { SchemaForm } from "@/ui/SchemaForm";

import { type PlaceName, whereIs } from "./places";
import { catalogueQuery, type Plugin, schemaQuery } from "./queries";

interface Props {
  name: string;
  place: PlaceName;
  value: Json;
  onChange: (value: Json) => void;
}

export function ConfForm(props: Props) {
  const catalogue = useQuery(catalogueQuery);
  return (
    <Loaded query={catalogue}>
      {(plugins) => {
        const plugin = plugins.find((each) => each.name === props.name);
        return plugin ? <Known {...props} plugin={plugin} /> : <Text>{t.plugin.unknown}</Text>;
      }}
    </Loaded>
  );
}

function Known({ plugin, place, value, onChange }: Props & { plugin: Plugin }) {
  const type = whereIs(place).type(plugin);
  const schema = useQuery(schemaQuery(plugin.name, type));
  return (
    <Stack>
      <Text size="sm">{plugin.summary}</Text>
      {type === "conf" && <Examples plugin={plugin} onChoose={onChange} />}
      {JSON.stringify(value).includes('"***') && (
        <Text size="sm" c="dimmed">
          {t.plugin.stars}
        </Text>
      )}
      <Loaded query={schema}>{(found) => <SchemaForm schema={found} value={value} onChange={onChange} />}</Loaded>
    </Stack>
  );
}

function Examples({ plugin, onChoose }: { plugin: Plugin; onChoose: (conf: Json) => void }) {
  return (
    <Group>
      <Menu position="bottom-start" withinPortal={false}>
        <Menu.Target>
          <Button variant="default" size="xs" rightSection={<ChevronDown size={14} aria-hidden />}>
            {t.plugin.examples}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {plugin.examples.map(({ title, conf }) => (
            <Menu.Item key={title} onClick={() => onChoose(conf)}>
              {title}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
