"""Certificates on demand: which secret answers for the server name that a client asks Envoy for."""

from gatefleet.protos.envoy.extensions.transport_sockets.tls import v3 as tls
from gatefleet.snapshot import SECRET, Entry, Snapshot, entry


def resolve(snapshot: Snapshot, type_url: str, name: str) -> Entry | None:
    """The secret for the server name `name`: exact, else the wildcard one level up; under the name asked for.

    Envoy asks by the server name of the TLS hello, upper or lower case, and refuses a secret of another name.
    """
    if type_url != SECRET:
        return None
    known = snapshot.of(SECRET)
    sni = name.lower()
    found = known.get(sni) or known.get(f"*.{sni.partition('.')[2]}")
    if found is None:
        return None
    secret = tls.Secret.FromString(found.body)
    secret.name = name
    return entry(secret.SerializeToString(deterministic=True))
