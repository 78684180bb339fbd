/**
 * Edits one resource of a gateway group, or a template, at the side of its list: as a form or as text, kept in step. Keeps what was
 * typed from being lost, writes over nobody's change, and shows how the change becomes live.
 */
import { Button, Group, Stack, Tabs } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, type SubmitEvent, useDeferredValue, useState } from "react";

import { ApiError } from "@/api/client";
import { around, type Json, type Place, postResource, putResource, type Read, readResource } from "@/api/resources";
import type { Allowed } from "@/session/permissions";
import { t } from "@/texts";

import { DocumentEditor } from "./DocumentEditor";
import { ErrorNote } from "./ErrorNote";
import { GuardedDrawer } from "./GuardedDrawer";
import { Loaded } from "./Loaded";
import { MayButton } from "./MayButton";
import { tell, tellLive } from "./told";

export interface FieldsProps {
  value: Json;
  onChange: (value: Json) => void;
  /** What the API refused; fieldError(error, "/name") is the part of an input. */
  error: Error | null;
}

interface Props {
  opened: boolean;
  title: string;
  /** The collection for a new resource ("routes"), its own place for one that is there ("routes/get"). */
  place: Place;
  /** What a new resource begins with; without it the one at `place` is read and changed. */
  fresh?: Json | undefined;
  /** The new one has its own place already, its id being chosen by the user. */
  own?: boolean;
  allowed: Allowed | undefined;
  /** The form. Without it there is only the text. */
  fields?: (props: FieldsProps) => ReactNode;
  /** What was done, for the note in the corner. */
  done: string;
  onClose: () => void;
}

export function EditDrawer(props: Props) {
  const [changed, setChanged] = useState(false);
  const close = () => {
    setChanged(false);
    props.onClose();
  };
  const inner = { ...props, changed, onChanged: setChanged, onClose: close };
  return (
    <GuardedDrawer opened={props.opened} title={props.title} changed={changed} onClose={close}>
      {(ask) =>
        props.fresh ? (
          <Editing {...inner} onCancel={ask} read={{ body: props.fresh, etag: null }} />
        ) : (
          <Existing {...inner} onCancel={ask} />
        )
      }
    </GuardedDrawer>
  );
}

interface InnerProps extends Props {
  changed: boolean;
  onChanged: (changed: boolean) => void;
  onCancel: () => void;
}

function Existing(props: InnerProps) {
  // the drawer is there first
  const enabled = useDeferredValue(true, false);
  const query = useQuery({
    enabled,
    queryKey: [...around(props.place), "edit", props.place.path],
    queryFn: () => readResource(props.place),
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  // a long form is drawn piece by piece: the page goes on answering meanwhile
  const drawn = useDeferredValue(query.data);
  return (
    <Loaded query={query}>
      {(read) =>
        read === drawn && (
          <Editing key={query.dataUpdatedAt} {...props} read={read} onFresh={() => void query.refetch()} />
        )
      }
    </Loaded>
  );
}

function Editing(props: InnerProps & { read: Read; onFresh?: () => void }) {
  const { place, read, fresh, own, fields, allowed, done, changed, onChanged, onCancel, onClose, onFresh } = props;
  const [body, setBody] = useState(read.body);
  const [readable, setReadable] = useState(true);
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => (fresh && !own ? postResource(place, body) : putResource(place, body, read.etag)),
    onSuccess: async ({ revision }) => {
      if (place.groupId === undefined) tell(done);
      else tellLive(done, place.groupId, revision);
      onClose();
      await queries.invalidateQueries({ queryKey: around(place) });
    },
  });
  const edit = (next: Json) => {
    setBody(next);
    onChanged(JSON.stringify(next) !== JSON.stringify(read.body));
  };
  const stale = save.error instanceof ApiError && save.error.status === 412;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (readable) save.mutate();
  };
  const form = fields?.({ value: body, onChange: edit, error: save.error });
  const editor = <DocumentEditor label={props.title} value={body} onChange={edit} onValid={setReadable} />;
  return (
    <form onSubmit={submit}>
      <Stack>
        {form ? (
          <Tabs defaultValue="form" keepMounted={false}>
            <Tabs.List>
              <Tabs.Tab value="form">{t.common.form}</Tabs.Tab>
              <Tabs.Tab value="editor">{t.common.editor}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="form" pt="md">
              {form}
            </Tabs.Panel>
            <Tabs.Panel value="editor" pt="md">
              {editor}
            </Tabs.Panel>
          </Tabs>
        ) : (
          editor
        )}
        {save.error && <ErrorNote error={save.error} />}
        {stale && onFresh && (
          <Button
            variant="default"
            onClick={() => {
              onChanged(false);
              onFresh();
            }}
          >
            {t.common.loadFresh}
          </Button>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>
            {t.common.cancel}
          </Button>
          <MayButton type="submit" allowed={allowed} loading={save.isPending} disabled={!readable || (!changed && !fresh)}>
            {t.common.save}
          </MayButton>
        </Group>
      </Stack>
    </form>
  );
}
