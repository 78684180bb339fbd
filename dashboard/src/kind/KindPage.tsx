/** All resources of one kind in a gateway group: listed, added, edited and deleted at their place. */
import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";

import { groupQuery } from "@/api/queries";
import { at, deleteResource, type Json, listResources, type Place } from "@/api/resources";
import { type Permissions, usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { EditDrawer, type FieldsProps } from "@/ui/EditDrawer";
import { Deed } from "@/ui/Deed";
import { Empty } from "@/ui/Empty";
import { Go } from "@/ui/Go";
import { Labels } from "@/ui/Labels";
import { Loaded } from "@/ui/Loaded";
import { Open } from "@/ui/Open";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { Time } from "@/ui/Time";
import { tellLive } from "@/ui/told";

import { Choose } from "./Choose";
import { EndingSoon } from "./EndingSoon";
import { FORMS } from "./forms";
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
  /** The id of the one that is edited, as the address says. */
  edit: string | undefined;
  onEdit: (id: string | undefined) => void;
}

/** What the page is doing besides listing and editing. */
type Doing =
  | { what: "choose" }
  | { what: "add"; path: string; id: string; fresh: Json; own: boolean }
  | { what: "remove"; item: Item };

function itemsQuery({ groupId, path }: Place) {
  return queryOptions({
    queryKey: ["group", groupId, "kind", path],
    queryFn: () => listResources<Item>({ groupId, path }),
  });
}

export function KindPage({ groupId, path, kind, words, title = words.title, crumbs, edit, onEdit }: Props) {
  const { data: group } = useSuspenseQuery(groupQuery(groupId));
  const items = useQuery(itemsQuery({ groupId, path }));
  const permissions = usePermissions({ groupId });
  const [doing, setDoing] = useState<Doing>();
  const close = () => setDoing(undefined);
  const begin = () =>
    setDoing(kind.chosen ? { what: "choose" } : { what: "add", path, id: "", fresh: kind.fresh, own: false });
  const add = (
    <Add allowed={permissions[`Create${kind.word}`] ?? permissions[`Update${kind.word}`]} onClick={begin}>
      {t.kind.add(words.one)}
    </Add>
  );
  return (
    <Page
      title={title}
      said={words.hint}
      crumbs={[
        <Go key="group" to="/groups/$groupId" params={{ groupId }}>
          {group.name}
        </Go>,
        ...(crumbs ? [crumbs] : []),
      ]}
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
              columns={columnsOf({ kind, groupId, permissions, onEdit, onRemove: (item) => setDoing({ what: "remove", item }) })}
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
          place={path === "plugin_metadata" ? "metadata" : "global"}
          taken={(items.data ?? []).map((item) => item.id)}
          onChosen={(id) => setDoing({ what: "add", path: placed(kind, path, id), id, fresh: freshOf(path, id, kind), own: true })}
          onClose={close}
        />
      )}
      <Adding groupId={groupId} kind={kind} words={words} doing={doing} permissions={permissions} onClose={close} />
      {edit !== undefined && (
        <EditDrawer
          opened
          title={t.kind.edit(nameOf(kind, edit, items.data))}
          place={{ groupId, path: placed(kind, path, edit) }}
          allowed={permissions[`Update${kind.word}`]}
          {...formOf(kind, edit)}
          done={t.kind.saved(nameOf(kind, edit, items.data))}
          onClose={() => onEdit(undefined)}
        />
      )}
      <Removing groupId={groupId} path={path} kind={kind} doing={doing} onClose={close} />
    </Page>
  );
}

function idOf(kind: Kind): (item: Item) => string {
  return (item) => (kind.word === "Consumer" ? called(kind, item) : item.id);
}

/** Where one of a collection is: providers have their kind in the path. */
function placed(kind: Kind, path: string, id: string): string {
  return `${path}/${at(...(kind.chosen === "manager" ? id.split("/") : [id]))}`;
}

function freshOf(path: string, id: string, kind: Kind): Json {
  return path === "global_rules" ? { plugins: { [id]: {} } } : kind.fresh;
}

/** What to call the one with this id; the list may not be there yet. */
function nameOf(kind: Kind, id: string, items: Item[] = []): string {
  const item = items.find((each) => idOf(kind)(each) === id);
  return item ? called(kind, item) : id;
}

/** What draws the form of the one with this id, where the kind has one. */
function formOf(kind: Kind, id: string): { fields?: (props: FieldsProps) => ReactNode } {
  const Form = FORMS[kind.word];
  return Form ? { fields: (props) => <Form {...props} id={id} /> } : {};
}

function textOf(kind: Kind, item: Item): string {
  const labels = Object.entries(item.labels ?? {}).map((pair) => pair.join(":"));
  return [called(kind, item), item.id, item.desc, ...labels, ...kind.columns.map((each) => each.text?.(item))].join(" ");
}

interface ColumnsProps {
  kind: Kind;
  groupId: string;
  permissions: Permissions;
  onEdit: (id: string) => void;
  onRemove: (item: Item) => void;
}

function columnsOf({ kind, groupId, permissions, onEdit, onRemove }: ColumnsProps): Column<Item>[] {
  const name: Column<Item> = {
    id: "name",
    header: t.common.name,
    accessorFn: (item) => called(kind, item),
    cell: ({ row }) => (
      <Open onClick={() => onEdit(idOf(kind)(row.original))}>{called(kind, row.original)}</Open>
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
  const actions: Column<Item> = {
    id: "actions",
    header: t.common.actions,
    enableSorting: false,
    cell: ({ row }) => (
      <Remove
        label={t.kind.remove(called(kind, row.original))}
        allowed={permissions[`Delete${kind.word}`]}
        onClick={() => onRemove(row.original)}
      />
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
      {...formOf(kind, doing.id)}
      done={t.kind.made(words.one)}
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
      act={(item) => deleteResource({ groupId, path: placed(kind, path, idOf(kind)(item)) })}
      tell={(item, { revision }) => tellLive(t.kind.removed(called(kind, item)), groupId, revision)}
      stale={["group", groupId]}
      onClose={onClose}
    />
  );
}
