/** What can be done with a whole service: released elsewhere, taken back, switched off, edited, removed. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { at } from "@/api/resources";
import type { Plan, PublishedService, Released } from "@/api/shapes";
import { patchRuntime, unpublish } from "@/release/calls";
import { ReleaseModal } from "@/release/ReleaseModal";
import { RollbackModal } from "@/release/RollbackModal";
import { SyncModal } from "@/release/SyncModal";
import { StartRing } from "@/ring/StartRing";
import { useStartReason } from "@/ring/starting";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Confirm } from "@/ui/Confirm";
import { EditDrawer } from "@/ui/EditDrawer";
import { MayButton } from "@/ui/MayButton";
import { tellLive } from "@/ui/told";

import { ServiceFields } from "./ServiceFields";

type Deed = "sync" | "ring" | "rollback" | "edit" | "switch" | "remove";

export function ServiceActions({ groupId, service }: { groupId: string; service: PublishedService }) {
  const [deed, setDeed] = useState<Deed>();
  const permissions = usePermissions({ groupId, serviceId: service.id });
  const close = () => setDeed(undefined);
  const on = (service.status ?? 1) === 1;
  const shared = { groupId, service, onClose: close };
  return (
    <>
      <MayButton allowed={permissions["SyncService"]} onClick={() => setDeed("sync")}>
        {t.service.sync}
      </MayButton>
      <MayButton
        allowed={permissions["CreateRing"]}
        reason={useStartReason(groupId)}
        variant="default"
        onClick={() => setDeed("ring")}
      >
        {t.ring.start}
      </MayButton>
      <MayButton allowed={permissions["RollbackService"]} variant="default" onClick={() => setDeed("rollback")}>
        {t.service.rollback}
      </MayButton>
      <MayButton allowed={permissions["UpdateServiceRuntime"]} variant="default" onClick={() => setDeed("switch")}>
        {on ? t.service.disable : t.service.enable}
      </MayButton>
      <MayButton allowed={permissions["UpdateService"]} variant="default" onClick={() => setDeed("edit")}>
        {t.common.edit}
      </MayButton>
      <MayButton allowed={permissions["DeleteService"]} variant="default" onClick={() => setDeed("remove")}>
        {t.service.unpublish}
      </MayButton>
      <SyncModal {...shared} opened={deed === "sync"} />
      <StartRing {...shared} opened={deed === "ring"} />
      <RollbackModal {...shared} opened={deed === "rollback"} />
      <Switch {...shared} on={on} opened={deed === "switch"} />
      <Remove {...shared} opened={deed === "remove"} />
      <EditDrawer
        opened={deed === "edit"}
        title={t.service.edit}
        place={{ groupId, path: at("services", service.id) }}
        allowed={permissions["UpdateService"]}
        fields={ServiceFields}
        done={t.service.saved}
        onClose={close}
      />
    </>
  );
}

interface DeedProps {
  groupId: string;
  service: PublishedService;
  opened: boolean;
  onClose: () => void;
}

function Switch({ groupId, service, on, opened, onClose }: DeedProps & { on: boolean }) {
  const queries = useQueryClient();
  const flip = useMutation({
    mutationFn: () => patchRuntime({ groupId, serviceId: service.id }, { status: on ? 0 : 1 }),
    onSuccess: async ({ revision }) => {
      tellLive(on ? t.service.disabled : t.service.enabled, groupId, revision);
      onClose();
      await queries.invalidateQueries({ queryKey: ["group", groupId] });
    },
  });
  return (
    <Confirm
      opened={opened}
      title={on ? t.service.disableTitle(service.name) : t.service.enable}
      verb={on ? t.service.disable : t.service.enable}
      color={on ? "red" : "blue"}
      pending={flip.isPending}
      error={flip.error}
      onConfirm={() => flip.mutate()}
      onClose={onClose}
    >
      {on ? t.service.disableHint : t.service.runtimeHint}
    </Confirm>
  );
}

function Remove({ groupId, service, opened, onClose }: DeedProps) {
  const navigate = useNavigate();
  if (!opened) return null;
  const where = { groupId, serviceId: service.id };
  return (
    <ReleaseModal
      opened={opened}
      title={t.service.unpublishTitle(service.name)}
      verb={t.release.doUnpublish}
      preview={() => unpublish<Plan>(where, "", true)}
      release={async () => {
        const done = await unpublish<Released>(where, "", false);
        if (!done.approval) {
          tellLive(t.service.unpublished, groupId, done.revisions?.[groupId] ?? null);
          await navigate({ to: "/groups/$groupId/services", params: { groupId } });
        }
        return done;
      }}
      onClose={onClose}
    />
  );
}
