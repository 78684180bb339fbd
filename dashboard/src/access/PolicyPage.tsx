/** One permission policy: as a form of statements or as text, kept in step. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api } from "@/api/client";
import { type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Deed } from "@/ui/Deed";
import { Go, GoButton } from "@/ui/Go";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Mark } from "@/ui/Named";
import { Page } from "@/ui/Page";
import { tell } from "@/ui/told";

import { PolicyEditor } from "./PolicyEditor";
import { policiesQuery, policyQuery, type ReadPolicy, vocabularyQuery } from "./queries";
import type { Policy } from "./shapes";
import { FRESH } from "./statement";

const words = t.access.policies;
const NEW: ReadPolicy = { body: { name: "", desc: "", labels: {}, statement: [FRESH] }, etag: null };

export function NewPolicyPage() {
  const vocabulary = useQuery(vocabularyQuery);
  const allowed = usePermissions()["CreatePermissionPolicy"];
  return (
    <Page title={words.add} said={words.statementsHint} crumbs={<Go to="/policies">{words.title}</Go>}>
      <Loaded query={vocabulary}>
        {(known) => <PolicyEditor read={NEW} vocabulary={known} allowed={allowed} actions={<Leave />} />}
      </Loaded>
    </Page>
  );
}

export function PolicyPage({ policyId }: { policyId: string }) {
  const policy = useQuery(policyQuery(policyId));
  const vocabulary = useQuery(vocabularyQuery);
  const permissions = usePermissions();
  const found = policy.data?.policy;
  return (
    <Page
      title={found?.name ?? words.one}
      said={words.statementsHint}
      crumbs={<Go to="/policies">{words.title}</Go>}
      mark={found?.built_in && <Mark>{words.builtIn}</Mark>}
      actions={found && <Remove policy={found} permissions={permissions} />}
    >
      <Loaded query={policy}>
        {(read) => (
          <Loaded query={vocabulary}>
            {(known) => (
              <PolicyEditor
                key={policy.dataUpdatedAt}
                read={read}
                vocabulary={known}
                allowed={permissions["UpdatePermissionPolicy"]}
                actions={<Leave />}
                onFresh={() => void policy.refetch()}
              />
            )}
          </Loaded>
        )}
      </Loaded>
    </Page>
  );
}

function Leave() {
  return (
    <GoButton to="/policies" variant="default">
      {t.common.cancel}
    </GoButton>
  );
}

function Remove({ policy, permissions }: { policy: Policy; permissions: Permissions }) {
  const [removing, setRemoving] = useState<Policy>();
  const navigate = useNavigate();
  const queries = useQueryClient();
  return (
    <>
      <MayButton
        variant="default"
        allowed={permissions["DeletePermissionPolicy"]}
        reason={policy.built_in ? words.builtInHint : undefined}
        onClick={() => setRemoving(policy)}
      >
        {t.common.remove}
      </MayButton>
      <Deed
        to={removing}
        title={({ name }) => words.remove(name)}
        verb={t.common.remove}
        hint={() => words.removeHint}
        act={({ id }) => api.DELETE("/api/permission_policies/{id}", { params: { path: { id } } })}
        tell={({ id, name }) => {
          tell(words.removed(name));
          queries.removeQueries({ queryKey: policyQuery(id).queryKey });
          void navigate({ to: "/policies", ignoreBlocker: true });
        }}
        stale={policiesQuery.queryKey}
        onClose={() => setRemoving(undefined)}
      />
    </>
  );
}
