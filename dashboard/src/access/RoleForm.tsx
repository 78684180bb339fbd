/** Makes a role, or changes one. */
import { MultiSelect, Textarea } from "@mantine/core";

import { api } from "@/api/client";
import { type Permissions } from "@/session/permissions";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { FormDrawer } from "@/ui/FormDrawer";
import { LabelsInput } from "@/ui/Labels";
import { NameInput } from "@/ui/NameInput";

import { rolesQuery } from "./queries";
import type { Policy, Role } from "./shapes";

const words = t.access.roles;

interface Props {
  /** The role to change; without it a new one is made. */
  role: Role | undefined;
  policies: Policy[];
  permissions: Permissions;
  onClose: () => void;
}

export function RoleForm({ role, policies, permissions, onClose }: Props) {
  const { name = "", desc = "", labels = {}, policies: held = [] } = role ?? {};
  return (
    <FormDrawer
      title={role ? words.edit(role.name) : words.add}
      from={{ name, desc, labels, policies: held }}
      fresh={!role}
      fields={({ value, onChange, error }) => (
        <>
          <NameInput value={value.name} error={error} onChange={(name) => onChange({ ...value, name })} />
          <Textarea
            label={t.common.description}
            value={value.desc}
            onChange={(event) => onChange({ ...value, desc: event.currentTarget.value })}
            autosize
          />
          <MultiSelect
            label={words.policies}
            description={words.policiesHint}
            data={policies.map((policy) => ({ value: policy.id, label: policy.name }))}
            value={value.policies}
            onChange={(chosen) => onChange({ ...value, policies: chosen })}
            error={fieldError(error, "/policies")}
            searchable
            nothingFoundMessage={t.common.findNothing}
          />
          <LabelsInput
            label={t.common.labels}
            value={value.labels}
            onChange={(changed) => onChange({ ...value, labels: changed })}
          />
        </>
      )}
      save={(value) =>
        role
          ? api.PUT("/api/roles/{id}", { params: { path: { id: role.id } }, body: value })
          : api.POST("/api/roles", { body: value })
      }
      done={(value) => words.saved(value.name)}
      stale={rolesQuery.queryKey}
      allowed={permissions[role ? "UpdateRole" : "CreateRole"]}
      reason={role?.built_in ? t.access.policies.builtInHint : undefined}
      onClose={onClose}
    />
  );
}
