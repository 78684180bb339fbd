/** A service template: its routes, its versions and where they run, and the way to gateway groups. */
import { Tabs } from "@mantine/core";
import { useMutation, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { exportOpenApi } from "@/openapi/calls";
import { PublishModal } from "@/release/PublishModal";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { EditDrawer } from "@/ui/EditDrawer";
import { ErrorNote } from "@/ui/ErrorNote";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";

import { Clone } from "./Clone";
import { usePublishing } from "./publishing";
import { templateQuery } from "./queries";
import { RemoveTemplate } from "./RemoveTemplate";
import { isTab, type TemplateSearch, TABS } from "./search";
import type { Template } from "./shapes";
import { TemplateFields } from "./TemplateFields";
import { TemplateRoutes } from "./TemplateRoutes";
import { TemplateVersions } from "./TemplateVersions";
import { Spread } from "./TemplatesPage";

const words = t.template;

export function TemplatePage({ templateId, search }: { templateId: string; search: TemplateSearch }) {
  const { data: template } = useSuspenseQuery(templateQuery(templateId));
  const navigate = useNavigate();
  const show = (next: TemplateSearch) => void navigate({ to: "/templates/$templateId", params: { templateId }, search: next });
  return (
    <Page
      title={template.name}
      said={template.desc}
      mark={<Spread template={template} />}
      crumbs={<Go to="/templates">{words.title}</Go>}
      actions={<Actions template={template} onPublish={() => show({ ...search, publish: true })} />}
    >
      <Labels labels={template.labels} />
      <Tabs
        value={search.tab ?? "routes"}
        onChange={(tab) => show({ tab: isTab(tab) && tab !== "routes" ? tab : undefined })}
        keepMounted={false}
      >
        <Tabs.List>
          {TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab}>
              {words[tab]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="routes" pt="md">
          <TemplateRoutes template={template} edit={search.edit} onEdit={(edit) => show({ ...search, edit })} />
        </Tabs.Panel>
        <Tabs.Panel value="versions" pt="md">
          <TemplateVersions template={template} />
        </Tabs.Panel>
      </Tabs>
      {search.publish !== undefined && (
        <PublishModal
          template={template}
          groupIds={typeof search.publish === "string" ? [search.publish] : []}
          onClose={() => show({ ...search, publish: undefined })}
        />
      )}
    </Page>
  );
}

type Doing = "edit" | "clone" | "remove";

function Actions({ template, onPublish }: { template: Template; onPublish: () => void }) {
  const [doing, setDoing] = useState<Doing>();
  const permissions = usePermissions({ serviceId: template.id });
  const publishing = usePublishing(template.id);
  const navigate = useNavigate();
  const save = useMutation({ mutationFn: () => exportOpenApi(template.name, [template.id]) });
  const close = () => setDoing(undefined);
  return (
    <>
      <MayButton allowed={publishing} onClick={onPublish}>
        {words.publish}
      </MayButton>
      <MayButton allowed={permissions["UpdateServiceTemplate"]} variant="default" onClick={() => setDoing("edit")}>
        {t.common.edit}
      </MayButton>
      <MayButton allowed={permissions["CreateServiceTemplate"]} variant="default" onClick={() => setDoing("clone")}>
        {words.clone}
      </MayButton>
      <MayButton
        allowed={permissions["ExportService"]}
        reason={template.type === "stream" ? t.openapi.streams : undefined}
        variant="default"
        loading={save.isPending}
        onClick={() => save.mutate()}
      >
        {words.exportOne}
      </MayButton>
      <MayButton allowed={permissions["DeleteServiceTemplate"]} variant="default" onClick={() => setDoing("remove")}>
        {t.common.remove}
      </MayButton>
      {save.error && <ErrorNote error={save.error} />}
      <EditDrawer
        opened={doing === "edit"}
        title={words.edit}
        place={{ path: `services/template/${template.id}` }}
        allowed={permissions["UpdateServiceTemplate"]}
        fields={TemplateFields}
        done={words.saved}
        onClose={close}
      />
      {doing === "clone" && <Clone template={template} onClose={close} />}
      <RemoveTemplate
        template={doing === "remove" ? template : undefined}
        leave={() => navigate({ to: "/templates" })}
        onClose={close}
      />
    </>
  );
}
