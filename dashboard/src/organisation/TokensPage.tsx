/** One's own tokens: what they are for, how long they are valid, and their end. */
import { ActionIcon, Code, Group, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useState } from "react";

import { api, shaped } from "@/api/client";
import { usePermissions } from "@/session/permissions";
import { t } from "@/texts";
import { Add } from "@/ui/Add";
import { type Column, DataTable } from "@/ui/DataTable";
import { Deed } from "@/ui/Deed";
import { Empty } from "@/ui/Empty";
import { Loaded } from "@/ui/Loaded";
import { MayButton } from "@/ui/MayButton";
import { Page } from "@/ui/Page";
import { Remove } from "@/ui/Remove";
import { State } from "@/ui/State";
import { Time } from "@/ui/Time";
import { tell } from "@/ui/told";

import { FindToken } from "./FindToken";
import { NewToken } from "./NewToken";
import { Once } from "./Once";
import { type Token, tokensQuery } from "./queries";

const words = t.organisation.tokens;

export function TokensPage() {
  const tokens = useQuery(tokensQuery);
  const permissions = usePermissions();
  const [making, setMaking] = useState(false);
  const [leaving, setLeaving] = useState<Token>();
  const [renewing, setRenewing] = useState<Token>();
  const [finding, setFinding] = useState(false);
  const make = (
    <Add allowed={permissions["CreateToken"]} onClick={() => setMaking(true)}>{words.make}</Add>
  );
  return (
    <Page
      title={words.title}
      said={words.hint}
      actions={
        <>
          <MayButton variant="default" allowed={permissions["FindToken"]} onClick={() => setFinding(true)}>
            {words.find}
          </MayButton>
          {make}
        </>
      }
    >
      <Loaded query={tokens}>
        {(list) =>
          list.length === 0 ? (
            <Empty title={words.empty} said={words.hint}>
              {make}
            </Empty>
          ) : (
            <DataTable
              label={words.title}
              rows={list}
              columns={columnsOf(setRenewing, setLeaving)}
              rowId={(token) => token.id}
              text={(token) => `${token.name} ${token.prefix}`}
            />
          )
        }
      </Loaded>
      {making && <NewToken onClose={() => setMaking(false)} />}
      {finding && <FindToken onClose={() => setFinding(false)} />}
      <Renewing token={renewing} onClose={() => setRenewing(undefined)} />
      <Revoking token={leaving} onClose={() => setLeaving(undefined)} />
    </Page>
  );
}

function columnsOf(onRenew: (token: Token) => void, onRevoke: (token: Token) => void): Column<Token>[] {
  return [
    { id: "name", header: words.name, accessorKey: "name", cell: ({ row }) => <span className="break">{row.original.name}</span> },
    {
      id: "prefix",
      header: words.begins,
      accessorKey: "prefix",
      enableSorting: false,
      cell: ({ row }) => <Code>{row.original.prefix}…</Code>,
    },
    { id: "scope", header: words.scope, accessorFn: scopeOf },
    { id: "ends", header: words.ends, accessorKey: "expires_at", cell: ({ row }) => <Ends at={row.original.expires_at} /> },
    {
      id: "used",
      header: words.lastUsed,
      accessorFn: (token) => token.last_used_at ?? 0,
      cell: ({ row }) => <Time at={row.original.last_used_at} />,
    },
    {
      id: "created",
      header: t.common.created,
      accessorKey: "created_at",
      cell: ({ row }) => <Time at={row.original.created_at} />,
    },
    {
      id: "actions",
      header: t.common.actions,
      enableSorting: false,
      cell: ({ row }) => (
        <Group gap="xs" wrap="nowrap">
          <ActionIcon
            variant="default"
            aria-label={words.again(row.original.name)}
            title={words.againVerb}
            onClick={() => onRenew(row.original)}
          >
            <RefreshCw size={16} aria-hidden />
          </ActionIcon>
          <Remove
            label={words.revoke(row.original.name)}
            verb={words.revokeVerb}
            onClick={() => onRevoke(row.original)}
          />
        </Group>
      ),
    },
  ];
}

function scopeOf({ gateway_groups, actions }: Token): string {
  return words.limited(gateway_groups?.length, actions?.length) || words.unlimited;
}

function Ends({ at }: { at: number }) {
  const [now] = useState(() => Date.now() / 1000);
  if (at !== 0 && at <= now) return <State look="bad">{words.ended}</State>;
  return <Time at={at} />;
}

/** Asks first, then shows the new secret this once. */
function Renewing({ token, onClose }: { token: Token | undefined; onClose: () => void }) {
  const [secret, setSecret] = useState<string>();
  if (secret !== undefined) {
    const done = () => setSecret(undefined);
    return (
      <Modal
        opened
        onClose={done}
        title={words.token}
        closeOnClickOutside={false}
        closeButtonProps={{ "aria-label": t.common.close }}
      >
        <Once token={secret} onClose={done} />
      </Modal>
    );
  }
  return (
    <Deed
      to={token}
      title={({ name }) => words.again(name)}
      verb={words.againVerb}
      hint={() => words.againHint}
      act={({ id }) =>
        shaped<{ value: { token: string } }>(api.PUT("/api/tokens/{id}/regenerate", { params: { path: { id } } }))
      }
      tell={(_, { value }) => setSecret(value.token)}
      stale={tokensQuery.queryKey}
      onClose={onClose}
    />
  );
}

function Revoking({ token, onClose }: { token: Token | undefined; onClose: () => void }) {
  return (
    <Deed
      to={token}
      title={({ name }) => words.revoke(name)}
      verb={words.revokeVerb}
      hint={() => words.revokeHint}
      act={({ id }) => api.DELETE("/api/tokens/{id}", { params: { path: { id } } })}
      tell={({ name }) => tell(words.revoked(name))}
      stale={tokensQuery.queryKey}
      onClose={onClose}
    />
  );
}
