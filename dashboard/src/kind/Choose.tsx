/** Asks for the id of a new resource where it means something: which plugin, which kind of provider. */
import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { type SubmitEvent, useState } from "react";

import { Catalogue } from "@/plugin/Catalogue";
import type { PlaceName } from "@/plugin/places";
import { t } from "@/texts";

import type { Chosen } from "./kinds";

interface Props {
  opened: boolean;
  title: string;
  chosen: Chosen;
  place: PlaceName;
  /** Ids that are there already. */
  taken: string[];
  onChosen: (id: string) => void;
  onClose: () => void;
}

const MANAGERS = ["vault", "aws", "kubernetes"];

export function Choose({ opened, title, chosen, place, taken, onChosen, onClose }: Props) {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      size={chosen === "plugin" ? "xl" : "md"}
      closeButtonProps={{ "aria-label": t.common.close }}
      centered
    >
      {chosen === "plugin" ? (
        <Catalogue place={place} taken={taken} onChoose={onChosen} />
      ) : (
        <Manager onChosen={onChosen} onClose={onClose} />
      )}
    </Modal>
  );
}

function Manager({ onChosen, onClose }: Pick<Props, "onChosen" | "onClose">) {
  const [manager, setManager] = useState<string | null>(null);
  const [name, setName] = useState("");
  const ready = manager !== null && name !== "";
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (ready) onChosen(`${manager}/${name}`);
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Select
          label={t.kind.choose.manager}
          data={MANAGERS}
          value={manager}
          onChange={setManager}
          searchable
          required
          data-autofocus
        />
        <TextInput label={t.kind.choose.id} value={name} onChange={(event) => setName(event.currentTarget.value)} required />
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
  );
}
