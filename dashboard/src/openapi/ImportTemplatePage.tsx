/** A service template from an OpenAPI document. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { ErrorNote } from "@/ui/ErrorNote";
import { Go } from "@/ui/Go";
import { MayButton } from "@/ui/MayButton";
import { tell } from "@/ui/told";

import { importTemplate, type Preview } from "./calls";
import { Import } from "./Import";

export function ImportTemplatePage() {
  const allowed = usePermissions()["ImportService"];
  const queries = useQueryClient();
  const navigate = useNavigate();
  const make = useMutation({
    mutationFn: async (content: Preview["content"]) => ({ content, templateId: await importTemplate(content) }),
    onSuccess: async ({ content, templateId }) => {
      tell(t.openapi.made(content.name, content.routes.length));
      await queries.invalidateQueries({ queryKey: ["templates"] });
      await navigate({ to: "/templates/$templateId", params: { templateId }, ignoreBlocker: true });
    },
  });
  return (
    <Import
      crumbs={<Go to="/templates">{t.template.title}</Go>}
      inGroup={false}
      done={make.isSuccess}
      finish={(content, readable) => (
        <>
          {make.error && <ErrorNote error={make.error} />}
          <MayButton allowed={allowed} loading={make.isPending} disabled={!readable} onClick={() => make.mutate(content)}>
            {t.openapi.make}
          </MayButton>
        </>
      )}
    />
  );
}
