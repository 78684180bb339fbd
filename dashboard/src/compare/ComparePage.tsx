/** Two gateway groups or two revisions of one beside each other: which versions they run, and what differs. */
import { Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { groupsQuery } from "@/api/queries";
import { t } from "@/texts";
import { Changes } from "@/ui/Changes";
import { type Column, DataTable } from "@/ui/DataTable";
import { Empty } from "@/ui/Empty";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { Section } from "@/ui/Section";
import { State } from "@/ui/State";

import { Choice } from "./Choice";
import { type ComparedService, type Comparison, comparisonQuery, isWhole, type Side } from "./queries";
import type { CompareSearch } from "./search";

export function ComparePage({ search }: { search: CompareSearch }) {
  const navigate = useNavigate();
  return (
    <Page title={t.compare.title} said={t.compare.hint}>
      <Choice search={search} onChange={(chosen) => void navigate({ to: "/compare", search: chosen })} />
      {isWhole(search) ? <Result search={search} /> : <Unready search={search} />}
    </Page>
  );
}

function Unready({ search: { group, with: other, from, to } }: { search: CompareSearch }) {
  const same = group !== undefined && (group === other || (from !== undefined && from === to));
  if (same) return <Empty title={t.compare.itself} said={t.compare.itselfHint} />;
  return <Empty title={t.compare.choose} said={t.compare.chooseHint} />;
}

function Result({ search }: { search: CompareSearch }) {
  const comparison = useQuery(comparisonQuery(search));
  const [from, to] = useSides(search);
  return <Loaded query={comparison}>{(found) => <Shown comparison={found} from={from} to={to} />}</Loaded>;
}

/** How the two sides are called. */
function useSides({ group = "", with: other = "", revisions, from = 0, to }: CompareSearch): [string, string] {
  const names = new Map((useQuery(groupsQuery).data ?? []).map(({ id, name }) => [id, name]));
  if (!revisions) return [names.get(other) ?? other, names.get(group) ?? group];
  return [t.compare.revision(from), to === undefined ? t.compare.now : t.compare.revision(to)];
}

function Shown({ comparison, from, to }: { comparison: Comparison; from: string; to: string }) {
  return (
    <Stack>
      <Group role="status">
        <State look={comparison.same ? "good" : "warning"}>
          {comparison.same ? t.compare.same : t.compare.differs(comparison.changes.length)}
        </State>
      </Group>
      {comparison.services.length > 0 && (
        <Section title={t.compare.services}>
          <DataTable
            label={t.compare.services}
            rows={comparison.services}
            columns={columnsOf(from, to)}
            rowId={(service) => service.service_id}
            text={(service) => `${service.name} ${service.service_id}`}
            maxHeight={420}
          />
        </Section>
      )}
      <Section title={t.compare.changes(from, to)}>
        <Changes changes={comparison.changes} text={comparison.text} sides={[from, to]} />
      </Section>
    </Stack>
  );
}

function columnsOf(from: string, to: string): Column<ComparedService>[] {
  return [
    { id: "name", header: t.compare.service, accessorKey: "name" },
    {
      id: "from",
      header: from,
      accessorFn: ({ there }) => there?.version ?? "",
      cell: ({ row }) => <Version side={row.original.there} />,
    },
    {
      id: "to",
      header: to,
      accessorFn: ({ here }) => here?.version ?? "",
      cell: ({ row }) => <Version side={row.original.here} />,
    },
    {
      id: "state",
      header: t.compare.state,
      accessorKey: "same",
      cell: ({ row }) => (
        <State look={row.original.same ? "good" : "warning"}>
          {row.original.same ? t.compare.isSame : t.compare.isNot}
        </State>
      ),
    },
  ];
}

function Version({ side }: { side: Side | null }) {
  if (side === null) {
    return (
      <Text size="sm" c="dimmed">
        {t.compare.missing}
      </Text>
    );
  }
  return [side.version ?? t.service.noVersion, side.status === 0 && t.compare.off].filter(Boolean).join(", ");
}
