"""Named, versioned xDS resources: everything the nodes of one gateway group hold at one revision.

A version is the hash of the content, so control-plane replicas agree without talking to each other,
an unchanged resource is never sent again, and any copy can be compared with any other.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

ENVOY: Final = "type.googleapis.com/envoy."
CLUSTER: Final = ENVOY + "config.cluster.v3.Cluster"
ENDPOINTS: Final = ENVOY + "config.endpoint.v3.ClusterLoadAssignment"
SECRET: Final = ENVOY + "extensions.transport_sockets.tls.v3.Secret"
EXTENSION: Final = ENVOY + "config.core.v3.TypedExtensionConfig"
"""What a filter of a listener does, where that may change while connections are open (ECDS)."""
LISTENER: Final = ENVOY + "config.listener.v3.Listener"
STREAM_LISTENER: Final = "stream:"
"""How the names of listeners begin that stream routes ask for; the others are in every group."""
ROUTES: Final = ENVOY + "config.route.v3.RouteConfiguration"
SCOPED_ROUTES: Final = ENVOY + "config.route.v3.ScopedRouteConfiguration"
ROUTES_OF: Final = "scope:"
"""A scope's RouteConfiguration is named so before the scope's key: to ask for a bare `*` would be to ask for all."""

OWN: Final = "type.googleapis.com/gatefleet."
SCRIPT: Final = OWN + "Script"
"""A Lua file: name is the file name below the node's `lua/` folder, body its source."""
HOST: Final = OWN + "Host"
"""A host the group serves: body is the msgpack of `HostLayout`."""
CONSUMER: Final = OWN + "Consumer"
"""A consumer and its credentials: body is the msgpack of a list of [table key, table value] byte strings."""
DISCOVERY: Final = OWN + "Discovery"
"""An upstream that nodes look up in a service registry: name is the cluster's, body `discovery.Lookup`."""
REFERENCE: Final = OWN + "Reference"
"""A secret that nodes get from outside: name is the token that stands for it elsewhere, body `references.Wanted`."""
SEAL: Final = OWN + "Seal"
"""The signed statement of what one revision holds: the one resource named "seal", body as `Seal.to_bytes`."""

PUSH_ORDER: Final = (
    SCRIPT, DISCOVERY, REFERENCE, CLUSTER, ENDPOINTS, SECRET, EXTENSION,
    LISTENER, SCOPED_ROUTES, ROUTES, HOST, CONSUMER, SEAL,
)  # fmt: skip
"""What others refer to goes first; the seal closes a revision."""


class HostLayout(msgspec.Struct, frozen=True, array_like=True):
    """How one host's routes are cut into route scopes: by the first `depth` path segments into `shards` parts."""

    depth: int = 0
    shards: int = 1
    questions: tuple[bytes, ...] = ()
    """What the conditions of its routes ask the native module of each request (`native.questions`), in order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource: serialized body and its version, the hash of the body."""

    version: str
    body: bytes


Entries = Mapping[str, Mapping[str, Entry]]
"""Type URL to resource name to entry."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    entries: Entries = field(default_factory=dict[str, Mapping[str, Entry]])

    def of(self, type_url: str) -> Mapping[str, Entry]:
        return self.entries.get(type_url, {})


@dataclass(frozen=True, slots=True)
class Delta:
    """What turns one snapshot into another: new or changed resources, and names that are gone."""

    changed: Entries
    removed: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return any(self.changed.values()) or any(self.removed.values())


class Seal(msgspec.Struct, frozen=True):
    """What the control plane states about one revision of one group, and signs (Ed25519 over `statement()`)."""

    group: str
    revision: int
    made_at: int
    """Unix seconds on the control plane's clock."""
    digest: str
    """`digest()` of the snapshot, without the seal itself."""
    key_id: str
    """Which of the group's verification keys checks the signature."""
    signature: bytes = b""
    format: int = 1

    def statement(self) -> bytes:
        """The bytes that are signed: canonical JSON of every field but the signature."""
        fields = {f: getattr(self, f) for f in ("format", "group", "revision", "made_at", "digest", "key_id")}
        return b"gatefleet-seal:" + msgspec.json.encode(fields, order="sorted")

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, body: bytes) -> "Seal":
        """Raises msgspec.DecodeError when `body` is not a seal."""
        return msgspec.msgpack.decode(body, type=cls)


def entry(body: bytes) -> Entry:
    return Entry(version=hashlib.sha256(body).hexdigest()[:32], body=body)


def diff(old: Snapshot, new: Snapshot) -> Delta:
    """What a holder of `old` needs to hold `new`."""
    changed: dict[str, Mapping[str, Entry]] = {}
    removed: dict[str, tuple[str, ...]] = {}
    for type_url in old.entries.keys() | new.entries.keys():
        before, after = old.of(type_url), new.of(type_url)
        if before is after:
            continue
        if fresh := {n: e for n, e in after.items() if (b := before.get(n)) is None or b.version != e.version}:
            changed[type_url] = fresh
        if gone := tuple(sorted(n for n in before if n not in after)):
            removed[type_url] = gone
    return Delta(changed, removed)


def apply(snapshot: Snapshot, delta: Delta) -> Snapshot:
    """`snapshot` with `delta` applied; types that the delta does not touch are shared, not copied."""
    entries = dict(snapshot.entries)
    for type_url in delta.changed.keys() | delta.removed.keys():
        gone = set(delta.removed.get(type_url, ()))
        merged = {n: e for n, e in snapshot.of(type_url).items() if n not in gone}
        merged.update(delta.changed.get(type_url, {}))
        entries[type_url] = merged
    return Snapshot(entries)


def digest(snapshot: Snapshot) -> str:
    """One hash over every resource's type, name and version, the seal left out; order of input does not matter."""
    whole = hashlib.sha256()
    for type_url in sorted(snapshot.entries):
        if type_url != SEAL and snapshot.entries[type_url]:
            whole.update(f"{type_url}\n{_names_and_versions(snapshot.of(type_url))}\n".encode())
    return whole.hexdigest()


def _names_and_versions(entries: Mapping[str, Entry]) -> str:
    return hashlib.sha256("".join(f"{n}\0{entries[n].version}\n" for n in sorted(entries)).encode()).hexdigest()


def to_bytes(snapshot: Snapshot) -> bytes:
    """The snapshot's resources as msgpack; equal snapshots give equal bytes. Versions are left out: they follow."""
    return msgspec.msgpack.encode(
        {t: {n: e.body for n, e in sorted(entries.items())} for t, entries in sorted(snapshot.entries.items())}
    )


def from_bytes(body: bytes) -> Snapshot:
    """The reverse of `to_bytes`; raises msgspec.DecodeError when `body` is not a snapshot."""
    types = msgspec.msgpack.decode(body, type=dict[str, dict[str, bytes]])
    return Snapshot({t: {n: entry(b) for n, b in entries.items()} for t, entries in types.items()})


def snapshot_of(resources: Iterable[tuple[str, str, bytes]]) -> Snapshot:
    """A snapshot of (type URL, name, body) triples."""
    entries: dict[str, dict[str, Entry]] = {}
    for type_url, name, body in resources:
        entries.setdefault(type_url, {})[name] = entry(body)
    return Snapshot(entries)
