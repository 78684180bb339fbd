/** A service of a gateway group from an OpenAPI document: reviewed as any other change of the group, in one step. */
import { Text } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { groupQuery } from "@/api/queries";
import { applyConfig, previewApply } from "@/release/calls";
import { ReleaseModal } from "@/release/ReleaseModal";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Go } from "@/ui/Go";
import { MayButton } from "@/ui/MayButton";

import type { Preview } from "./calls";
import { Import } from "./Import";

export function ImportServicePage({ groupId }: { groupId: string }) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const [content, setContent] = useState<Preview["content"]>();
  const [done, setDone] = useState(false);
  const allowed = usePermissions({ groupId })["ApplyConfiguration"];
  const navigate = useNavigate();
  const wanted = { groupId, config: { services: [content] }, prune: false, note: t.openapi.title };
  const close = () => {
    setContent(undefined);
    if (done) void navigate({ to: "/groups/$groupId/services", params: { groupId }, ignoreBlocker: true });
  };
  return (
    <>
      <Import
        crumbs={
          <>
            <Go to="/groups/$groupId" params={{ groupId }}>
              {group.name}
            </Go>
            <Go to="/groups/$groupId/services" params={{ groupId }}>
              {t.service.title}
            </Go>
          </>
        }
        inGroup
        done={done}
        finish={(given, readable) => (
          <MayButton
            allowed={allowed}
            reason={group.enforce_service_publishing ? t.service.publishingOnly : undefined}
            disabled={!readable}
            onClick={() => setContent(given)}
          >
            {t.release.review}
          </MayButton>
        )}
      />
      {content && (
        <ReleaseModal
          opened
          title={t.openapi.addTitle(content.name)}
          verb={t.openapi.add}
          preview={() => previewApply(wanted)}
          release={async () => {
            const released = await applyConfig(wanted);
            setDone(true);
            return released;
          }}
          onClose={close}
        >
          <Text size="sm" c="dimmed">
            {t.openapi.again}
          </Text>
        </ReleaseModal>
      )}
    </>
  );
}
