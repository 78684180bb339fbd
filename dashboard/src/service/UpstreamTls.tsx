/** TLS to an upstream: whether its certificate is checked and against which authorities, and what it is shown. */
import { Fieldset, MultiSelect, SegmentedControl, Select, Stack, Switch, Textarea } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";

import { type Json, listResources } from "@/api/resources";
import { t } from "@/texts";
import { fieldError } from "@/ui/ErrorNote";
import { changed, without } from "@/ui/objects";

const words = t.upstream.tls;

export interface Tls extends Json {
  client_cert?: string;
  client_key?: string;
  verify?: boolean;
}

/** The part of an upstream that this edits. */
export interface TlsBody extends Json {
  tls?: Tls;
  tls_verify?: boolean;
  client_certificate?: string;
  ca_certificates?: string[];
}

interface Props {
  value: TlsBody;
  /** It may name certificates of the gateway group; the upstream of a route may not. */
  naming: boolean;
  error: Error | null;
  pointer: string;
  onChange: (value: TlsBody) => void;
}

type Way = "none" | "named" | "here";

export function UpstreamTls(props: Props) {
  const { value, naming, onChange } = props;
  return (
    <Fieldset legend={words.title}>
      <Stack>
        <Switch
          label={words.verify}
          description={words.verifyHint}
          checked={value.tls_verify === true || value.tls?.verify === true}
          onChange={(event) => onChange(verified(value, event.currentTarget.checked))}
        />
        {naming && <Authorities {...props} />}
        <Shown {...props} />
      </Stack>
    </Fieldset>
  );
}

/** The field has two places; one is enough to set it, neither may be left to unset it. */
function verified(value: TlsBody, on: boolean): TlsBody {
  if (on) return { ...value, tls_verify: true };
  return changed(without(value, "tls_verify"), "tls", without(value.tls ?? {}, "verify"));
}

function Authorities({ value, error, pointer, onChange }: Props) {
  const known = useCertificates("ca_certificates", value.ca_certificates ?? []);
  return (
    <MultiSelect
      label={words.authorities}
      description={words.authoritiesHint}
      data={known}
      value={value.ca_certificates ?? []}
      onChange={(ids) => onChange(changed(value, "ca_certificates", ids))}
      error={fieldError(error, `${pointer}/ca_certificates`) ?? fieldError(error, `${pointer}/ca_certificates/0`)}
      searchable
      clearable
    />
  );
}

/** What the gateway shows of itself: nothing, a certificate of the group by its id, or one that is given here. */
function Shown({ value, naming, error, pointer, onChange }: Props) {
  const way: Way = value.client_certificate !== undefined ? "named" : value.tls?.client_cert !== undefined ? "here" : "none";
  const ways = (["none", "named", "here"] as const).filter((each) => naming || each !== "named");
  const choose = (next: Way) => {
    const bare = changed(without(value, "client_certificate"), "tls", without(value.tls ?? {}, "client_cert", "client_key"));
    if (next === "named") onChange({ ...bare, client_certificate: "" });
    else if (next === "here") onChange({ ...bare, tls: { ...(bare["tls"] as Tls | undefined), client_cert: "", client_key: "" } });
    else onChange(bare);
  };
  return (
    <>
      <SegmentedControl
        aria-label={words.shown}
        data={ways.map((each) => ({ value: each, label: words.ways[each] }))}
        value={way}
        onChange={choose}
        w="fit-content"
      />
      {way === "named" && <Named value={value} error={error} pointer={pointer} onChange={onChange} />}
      {way === "here" &&
        (["client_cert", "client_key"] as const).map((key) => (
          <Textarea
            key={key}
            label={words[key]}
            description={words[`${key}_hint`]}
            value={value.tls?.[key] ?? ""}
            onChange={(event) => onChange({ ...value, tls: { ...value.tls, [key]: event.currentTarget.value } })}
            error={fieldError(error, `${pointer}/tls/${key}`)}
            autosize
            minRows={2}
            maxRows={8}
            required
          />
        ))}
    </>
  );
}

function Named({ value, error, pointer, onChange }: Omit<Props, "naming">) {
  const known = useCertificates("certificates", value.client_certificate ? [value.client_certificate] : []);
  return (
    <Select
      label={words.certificate}
      data={known}
      value={value.client_certificate ?? null}
      onChange={(id) => onChange({ ...value, client_certificate: id ?? "" })}
      error={fieldError(error, `${pointer}/client_certificate`)}
      allowDeselect={false}
      searchable
      required
    />
  );
}

interface Known {
  id: string;
  name?: string;
}

function certificatesQuery(groupId: string, kind: string) {
  return queryOptions({
    queryKey: ["group", groupId, kind, "names"],
    queryFn: () => listResources<Known>({ groupId, path: kind }),
  });
}

/** The gateway group's certificates to choose from, and the ids that are chosen, whoever may read them. */
function useCertificates(kind: "certificates" | "ca_certificates", chosen: readonly string[]) {
  const { groupId } = useParams({ strict: false });
  const found = useQuery({ ...certificatesQuery(groupId ?? "", kind), enabled: groupId !== undefined }).data ?? [];
  const labels = new Map([...chosen.map((id) => [id, id] as const), ...found.map(({ id, name }) => [id, name ? `${name} (${id})` : id] as const)]);
  return [...labels].map(([value, label]) => ({ value, label }));
}
