/** The keys that revisions and copies of a gateway group are signed and encrypted with, and their exchange. */
import { Checkbox, NumberInput, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "@/api/client";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Permitted } from "@/ui/Permitted";
import { Section } from "@/ui/Section";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { type CopyKey, inGroup, keysQuery } from "./queries";

interface Rotation {
  announced_seconds: number;
  overlap_days: number;
}

/** As the API has them when nothing is said. */
const USUALLY: Rotation = { announced_seconds: 60, overlap_days: 30 };
const AT_ONCE: Rotation = { announced_seconds: 0, overlap_days: 0 };

const COLUMNS: Column<CopyKey>[] = [
  { id: "id", header: t.settings.keyId, accessorKey: "key_id", cell: ({ row }) => <span className="break">{row.original.key_id}</span> },
  { id: "state", header: t.settings.signs, enableSorting: false, cell: ({ row }) => <KeyState one={row.original} /> },
  { id: "since", header: t.settings.since, accessorKey: "signs_at", cell: ({ row }) => <Time at={row.original.signs_at} /> },
  {
    id: "ends",
    header: t.settings.accepted,
    accessorFn: (one) => one.ends_at ?? Infinity,
    cell: ({ row: { original } }) => (original.ends_at === undefined ? t.settings.noEnd : <Time at={original.ends_at} />),
  },
];

export function CopyKeys({ groupId }: { groupId: string }) {
  const permissions = usePermissions({ groupId });
  const keys = useQuery({ ...keysQuery(groupId), enabled: permissions["ListSnapshotKeys"] === true });
  const [wanted, setWanted] = useState<Rotation>();
  const rotate = (
    <MayButton allowed={permissions["RotateSnapshotKeys"]} variant="default" onClick={() => setWanted(USUALLY)}>
      {t.settings.rotate}
    </MayButton>
  );
  return (
    <Section title={t.settings.keys} said={t.settings.keysHint} actions={rotate}>
      <Permitted allowed={permissions["ListSnapshotKeys"]}>
        <Loaded query={keys} lines={2}>
          {(list) =>
            list.length === 0 ? (
              <Text c="dimmed">{t.settings.none}</Text>
            ) : (
              <DataTable label={t.settings.keys} rows={list} columns={COLUMNS} rowId={(one) => one.key_id} maxHeight={300} />
            )
          }
        </Loaded>
      </Permitted>
      <Deed
        to={wanted}
        title={() => t.settings.rotate}
        verb={t.settings.rotate}
        hint={(rotation) => <Fields rotation={rotation} onChange={setWanted} />}
        act={(body) =>
          api.POST("/api/gateway_groups/{gateway_group_id}/snapshot_keys", { params: inGroup(groupId), body })
        }
        tell={() => tell(t.settings.rotated)}
        stale={keysQuery(groupId).queryKey}
        onClose={() => setWanted(undefined)}
      />
    </Section>
  );
}

function Fields({ rotation, onChange }: { rotation: Rotation; onChange: (rotation: Rotation) => void }) {
  const atOnce = rotation.announced_seconds === 0 && rotation.overlap_days === 0;
  return (
    <Stack>
      <Text size="sm">{t.settings.rotateHint}</Text>
      <Checkbox
        label={t.settings.atOnce}
        description={t.settings.atOnceHint}
        checked={atOnce}
        onChange={(event) => onChange(event.currentTarget.checked ? AT_ONCE : USUALLY)}
      />
      {!atOnce && (
        <>
          <NumberInput
            label={t.settings.announce}
            value={rotation.announced_seconds}
            onChange={(value) => onChange({ ...rotation, announced_seconds: Number(value) })}
            min={0}
            allowDecimal={false}
          />
          <NumberInput
            label={t.settings.overlap}
            value={rotation.overlap_days}
            onChange={(value) => onChange({ ...rotation, overlap_days: Number(value) })}
            min={0}
            allowDecimal={false}
          />
        </>
      )}
    </Stack>
  );
}

function KeyState({ one }: { one: CopyKey }) {
  const [now] = useState(() => Date.now() / 1000);
  if (one.signing) return <State look="good">{t.settings.signsNow}</State>;
  if (one.signs_at > now) return <State look="waiting">{t.settings.announced}</State>;
  return <State look="plain">{t.settings.signsNot}</State>;
}
