/** The foot of a list that the API gives page by page: how many there are, and the way to the others. */
import { Group, Pagination, Text } from "@mantine/core";

import { t } from "@/texts";

interface Props {
  /** What the pages are of, for who cannot see them. */
  label: string;
  /** How many there are, in words. */
  said: string;
  total: number;
  size: number;
  page: number;
  onPage: (page: number) => void;
}

export function Pages({ label, said, total, size, page, onPage }: Props) {
  return (
    <Group justify="space-between">
      <Text size="sm" c="dimmed" role="status">
        {said}
      </Text>
      {total > size && (
        <Pagination
          aria-label={label}
          size="sm"
          total={Math.ceil(total / size)}
          value={page}
          onChange={onPage}
          getControlProps={(control) => ({ "aria-label": control === "next" ? t.common.next : t.common.back })}
          getItemProps={(each) => ({ "aria-label": String(each) })}
        />
      )}
    </Group>
  );
}

/** The page that an address names; the first has no name. */
export function pageOf(given: unknown): number | undefined {
  return typeof given === "number" && Number.isSafeInteger(given) && given > 1 ? given : undefined;
}
