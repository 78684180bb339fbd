/** Which gateway groups a release goes to, and the hosts the service answers for there. */
import { MultiSelect, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";

interface GroupsProps {
  value: string[];
  /** The group it comes from, which cannot be among them. */
  but?: string;
  onChange: (groupIds: string[]) => void;
}

export function TargetGroups({ value, but, onChange }: GroupsProps) {
  const groups = (useQuery(groupsQuery).data ?? []).filter((group) => group.id !== but);
  return (
    <MultiSelect
      label={t.release.toGroups}
      data={groups.map((group) => ({ value: group.id, label: group.name }))}
      value={value}
      onChange={onChange}
      searchable
      withAsterisk
      nothingFoundMessage={t.common.findNothing}
      data-autofocus
    />
  );
}

export function HostsThere({ value, onChange }: { value: string[]; onChange: (hosts: string[]) => void }) {
  return (
    <TagsInput
      label={t.release.hostsThere}
      description={t.release.hostsThereHint}
      value={value}
      onChange={onChange}
      splitChars={[",", " "]}
      acceptValueOnBlur
    />
  );
}
