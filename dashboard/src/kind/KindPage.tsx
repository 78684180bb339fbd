/** All resources of one kind in a gateway group: listed, added, edited and deleted at their place. */
import { ActionIcon, Group, UnstyledButton } from "@mantine/core";
import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";

import { groupQuery } from "@/api/queries";
import { at, deleteResource, type Json, listResources, type Place } from "@/api/resources";
import { may, type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { type Column, DataTable } from "@/ui/DataTable";
import { EditDrawer } from "@/ui/EditDrawer";
import { Deed } from "@/ui/Deed";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import { tellLive } from "@/ui/told";

import { Choose } from "./Choose";
import { EndingSoon } from "./EndingSoon";
import { called, type Item, type Kind } from "./kinds";

interface Words {
  title: string;
  one: string;
  empty: string;
  hint: string;
}

interface Props {
  groupId: string;
  /** The collection in the API. */
  path: string;
  kind: Kind;
  words: Words;
  title?: string;
  crumbs?: ReactNode;
}

/** What the page is doing besides listing. */
type Doing = { what: "choose" } | { what: "add"; path: string; fresh: Json; own: boolean } | { what: "edit" | "remove"; item: Item };

function itemsQuery({ groupId, path }: Place) {
  return queryOptions({
    queryKey: ["group", groupId, "kind", path],
    queryFn: () => listResources<Item>({ groupId, path }),
  });
}

export function KindPage({ groupId, path, kind, words, title = words.title, crumbs }: Props) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const items = useQuery(itemsQuery({ groupId, path }));
  const permissions = usePermissions({ groupId });
  const [doing, setDoing] = useState<Doing>();
  const close = () => setDoing(undefined);
  const begin = () =>
    setDoing(kind.chosen ? { what: "choose" } : { what: "add", path, fresh: kind.fresh, own: false });
  const add = (
    <MayButton
      allowed={permissions[`Create${kind.word}`] ?? permissions[`Update${kind.word}`]}
      leftSection={<Plus size={16} aria-hidden />}
      onClick={begin}
    >
      {t.kind.add(words.one)}
    </MayButton>
  );
  return (
    <Page
      title={title}
      said={words.hint}
      crumbs={
        <>
          <Go to="/groups/$groupId" params={{ groupId }}>
            {group.name}
          </Go>
          {crumbs}
        </>
      }
      actions={add}
    >
      {kind.ends && <EndingSoon groupId={groupId} path={path} kind={kind} />}
      <Loaded query={items}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.empty} said={words.hint}>
              {add}
            </Empty>
          ) : (
            <DataTable
              label={title}
              rows={list}
              columns={columnsOf({ kind, groupId, permissions, onDo: setDoing })}
              rowId={idOf(kind)}
              text={(item) => textOf(kind, item)}
            />
          )
        }
      </Loaded>
      {kind.chosen && (
        <Choose
          opened={doing?.what === "choose"}
          title={t.kind.add(words.one)}
          chosen={kind.chosen}
          metadata={path === "plugin_metadata"}
          onChosen={(below) => setDoing({ what: "add", path: `${path}/${below}`, fresh: freshOf(kind, path, below), own: true })}
          onClose={close}
        />
      )}
      <Adding groupId={groupId} kind={kind} words={words} doing={doing} permissions={permissions} onClose={close} />
      <Editing groupId={groupId} path={path} kind={kind} doing={doing} permissions={permissions} onClose={close} />
      <Removing groupId={groupId} path={path} kind={kind} doing={doing} onClose={close} />
    </Page>
  );
}

function idOf(kind: Kind): (item: Item) => string {
  return (item) => (kind.word === "Consumer" ? called(kind, item) : item.id);
}

/** Where one of a collection is: providers have their kind in the path. */
function placeOf(groupId: string, path: string, kind: Kind, item: Item): Place {
  const id = idOf(kind)(item);
  const parts = kind.chosen === "manager" ? id.split("/") : [id];
  return { groupId, path: `${path}/${at(...parts)}` };
}

function freshOf(kind: Kind, path: string, below: string): Json {
  return path === "global_rules" ? { plugins: { [decodeURIComponent(below)]: {} } } : kind.fresh;
}

function textOf(kind: Kind, item: Item): string {
  const labels = Object.entries(item.labels ?? {}).map((pair) => pair.join(":"));
  return [called(kind, item), item.id, item.desc, ...labels, ...kind.columns.map((each) => each.text?.(item))].join(" ");
}

interface ColumnsProps {
  kind: Kind;
  groupId: string;
  permissions: Permissions;
  onDo: (doing: Doing) => void;
}

function columnsOf({ kind, groupId, permissions, onDo }: ColumnsProps): Column<Item>[] {
  const name: Column<Item> = {
    id: "name",
    header: t.common.name,
    accessorFn: (item) => called(kind, item),
    cell: ({ row }) => (
      <UnstyledButton c="var(--mantine-color-anchor)" onClick={() => onDo({ what: "edit", item: row.original })}>
        {called(kind, row.original)}
      </UnstyledButton>
    ),
  };
  const own = kind.columns.map(
    ({ header, cell, text }): Column<Item> => ({
      id: header,
      header,
      enableSorting: text !== undefined,
      accessorFn: (item) => text?.(item) ?? "",
      cell: ({ row }) => cell(row.original, groupId),
    }),
  );
  const labels: Column<Item> = {
    id: "labels",
    header: t.common.labels,
    enableSorting: false,
    cell: ({ row }) => <Labels labels={row.original.labels} />,
  };
  const changed: Column<Item> = {
    id: "changed",
    header: t.common.changed,
    accessorKey: "updated_at",
    cell: ({ row }) => <Time at={row.original.updated_at} />,
  };
  const why = may(permissions[`Delete${kind.word}`]);
  const actions: Column<Item> = {
    id: "actions",
    header: t.common.actions,
    enableSorting: false,
    cell: ({ row }) => (
      <Group gap="xs">
        <ActionIcon
          variant="default"
          aria-label={t.kind.remove(called(kind, row.original))}
          title={why ?? t.common.remove}
          disabled={why !== undefined}
          onClick={() => onDo({ what: "remove", item: row.original })}
        >
          <Trash2 size={16} aria-hidden />
        </ActionIcon>
      </Group>
    ),
  };
  return [name, ...own, labels, changed, actions];
}

interface DoingProps {
  groupId: string;
  kind: Kind;
  doing: Doing | undefined;
  onClose: () => void;
}

function Adding({ groupId, kind, words, doing, permissions, onClose }: DoingProps & { words: Words; permissions: Permissions }) {
  if (doing?.what !== "add") return null;
  return (
    <EditDrawer
      opened
      title={t.kind.add(words.one)}
      place={{ groupId, path: doing.path }}
      fresh={doing.fresh}
      own={doing.own}
      allowed={permissions[`${doing.own ? "Update" : "Create"}${kind.word}`]}
      done={t.kind.made(words.one)}
      onClose={onClose}
    />
  );
}

function Editing({ groupId, path, kind, doing, permissions, onClose }: DoingProps & { path: string; permissions: Permissions }) {
  if (doing?.what !== "edit") return null;
  const name = called(kind, doing.item);
  return (
    <EditDrawer
      opened
      title={t.kind.edit(name)}
      place={placeOf(groupId, path, kind, doing.item)}
      allowed={permissions[`Update${kind.word}`]}
      done={t.kind.saved(name)}
      onClose={onClose}
    />
  );
}

function Removing({ groupId, path, kind, doing, onClose }: DoingProps & { path: string }) {
  return (
    <Deed
      to={doing?.what === "remove" ? doing.item : undefined}
      title={(item) => t.kind.remove(called(kind, item))}
      verb={t.common.remove}
      hint={() => t.kind.removeHint}
      act={(item) => deleteResource(placeOf(groupId, path, kind, item))}
      tell={(item, { revision }) => tellLive(t.kind.removed(called(kind, item)), groupId, revision)}
      stale={["group", groupId]}
      onClose={onClose}
    />
  );
}
