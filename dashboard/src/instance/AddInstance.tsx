/** The script that joins a new instance, to be copied: as a process, by systemd, Docker, Compose or Helm. */
import { Button, Code, CopyButton, Group, Modal, SegmentedControl, Stack, TagsInput, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";

const KINDS = ["process", "systemd", "docker", "compose", "helm"] as const;
type Kind = (typeof KINDS)[number];

export function AddInstance({ groupId, opened, onClose }: { groupId: string; opened: boolean; onClose: () => void }) {
  const [kind, setKind] = useState<Kind>("process");
  const [addresses, setAddresses] = useState<string[]>([]);
  const make = useMutation({
    mutationFn: async () => {
      const params = { path: { gateway_group_id: groupId } };
      const body = { type: kind, dp_manager_address: addresses };
      const call = api.POST("/api/gateway_groups/{gateway_group_id}/instance_scripts", { params, body });
      return (await shaped<{ value: { script: string } }>(call)).value.script;
    },
  });
  const close = () => {
    make.reset();
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title={t.instance.add} size="xl" closeButtonProps={{ "aria-label": t.common.close }}>
      <Stack>
        <Text size="sm">{t.instance.addHint}</Text>
        <SegmentedControl
          aria-label={t.instance.script}
          data={KINDS.map((value) => ({ value, label: t.instance.kinds[value] }))}
          value={kind}
          onChange={(value) => {
            setKind(value);
            make.reset();
          }}
        />
        <TagsInput
          label={t.instance.addresses}
          description={t.instance.addressesHint}
          placeholder="https://dpm.example.com:7943"
          value={addresses}
          onChange={setAddresses}
        />
        {make.error && <ErrorNote error={make.error} />}
        {make.data !== undefined && (
          <Code block tabIndex={0} aria-label={t.instance.script}>
            {make.data}
          </Code>
        )}
        <Group justify="flex-end">
          {make.data !== undefined && (
            <CopyButton value={make.data}>
              {({ copied, copy }) => <Button onClick={copy}>{copied ? t.common.copied : t.common.copy}</Button>}
            </CopyButton>
          )}
          <Button variant={make.data === undefined ? "filled" : "default"} loading={make.isPending} onClick={() => make.mutate()}>
            {make.data === undefined ? t.instance.make : t.instance.another}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
