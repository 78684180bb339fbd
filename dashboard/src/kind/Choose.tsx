/** Asks for the id of a new resource where it means something: which plugin, which kind of provider. */
import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, shaped } from "@/api/client";
import { at } from "@/api/resources";
import { t } from "@/texts";

import type { Chosen } from "./kinds";

interface Props {
  opened: boolean;
  title: string;
  chosen: Chosen;
  /** Only plugins that have metadata. */
  metadata: boolean;
  /** Called with the part of the path below the collection. */
  onChosen: (path: string) => void;
  onClose: () => void;
}

const MANAGERS = ["vault", "aws", "kubernetes"];

function pluginsQuery(metadata: boolean) {
  return queryOptions({
    queryKey: ["plugins", metadata],
    staleTime: Infinity,
    queryFn: async () => {
      const query = metadata ? { has_metadata: "true" } : {};
      const names = await shaped<string[]>(api.GET("/apisix/admin/plugins/list", { params: { query: query as never } }));
      return names.sort();
    },
  });
}

export function Choose({ opened, title, chosen, metadata, onChosen, onClose }: Props) {
  const plugins = useQuery({ ...pluginsQuery(metadata), enabled: opened && chosen === "plugin" });
  const [choice, setChoice] = useState<string | null>(null);
  const [name, setName] = useState("");
  const ready = choice !== null && (chosen === "plugin" || name !== "");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (ready) onChosen(chosen === "plugin" ? at(choice) : at(choice, name));
  };
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ "aria-label": t.common.close }} centered>
      <form onSubmit={submit}>
        <Stack>
          <Select
            label={chosen === "plugin" ? t.kind.choose.plugin : t.kind.choose.manager}
            data={chosen === "plugin" ? (plugins.data ?? []) : MANAGERS}
            value={choice}
            onChange={setChoice}
            searchable
            required
            data-autofocus
          />
          {chosen === "manager" && (
            <TextInput
              label={t.kind.choose.id}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              required
            />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t.common.cancel}
            </Button>
            <Button type="submit" disabled={!ready}>
              {t.kind.choose.go}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
