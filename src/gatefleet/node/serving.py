"""What Envoy serves: whole snapshots applied in an order that never refers to what is not there yet, with proof."""

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc.aio
import structlog

from gatefleet.files import write_private
from gatefleet.fleet import Proof
from gatefleet.node import certificates, probe
from gatefleet.node.bootstrap import RunFiles
from gatefleet.node.discovery import nowhere
from gatefleet.node.filled import Filled
from gatefleet.node.rebind import rebind
from gatefleet.node.tables import NativeTables
from gatefleet.snapshot import (
    CLUSTER,
    CONSUMER,
    DISCOVERY,
    ENDPOINTS,
    EXTENSION,
    HOST,
    LISTENER,
    ROUTES,
    ROUTES_OF,
    SCOPED_ROUTES,
    SCRIPT,
    SECRET,
    STREAM_LISTENER,
    Delta,
    Entry,
    Snapshot,
    diff,
)
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import UNLIMITED

log = structlog.get_logger()

ENVOY_TYPES: Final = (CLUSTER, ENDPOINTS, SECRET, EXTENSION, LISTENER, SCOPED_ROUTES, ROUTES)
KEY: Final = "envoy"
PATIENCE: Final = 5.0
"""Seconds that Envoy gets to answer a push before we go on without its answer."""
PORT_PAUSE: Final = 5.0
"""Seconds after which a port of stream routes that could not be opened is tried again, with the next revision."""
MOST_PROBES: Final = 64
"""Scopes of one change that are asked for their version; of a bigger change these stand for the rest."""
_SCRIPT_NAME: Final = re.compile(r"(?:lua/)?[\w-][\w.-]*")

Name = tuple[str, str]
"""Type URL and resource name."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of one applied snapshot."""

    acknowledged: bool
    """Envoy has answered everything that was sent."""
    proof: Proof
    refused: frozenset[str]
    """What of its changes Envoy refuses, "<type URL>/<name>"."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that Envoy did not take: this version, for this reason."""

    version: str
    reason: str
    at: float = field(default_factory=time.monotonic)

    def lasts(self, name: Name) -> bool:
        """Whether there is no use in trying again: a port that was taken may be free by now."""
        port = name[0] == LISTENER and name[1].startswith(STREAM_LISTENER)
        return not port or time.monotonic() - self.at < PORT_PAUSE


class Serving:
    """The local ADS, the tables and the scripts of one Envoy."""

    def __init__(self, files: RunFiles, *, bind: str, offset: int, workers: int) -> None:
        self.refused: dict[Name, Refused] = {}
        self.discovered: Mapping[str, Entry] = {}
        """Endpoints that service registries have named, by cluster; whoever looks them up keeps this current."""
        self._filled = Filled()
        self._files, self._bind, self._offset = files, bind, offset
        self._xds = Server(stepwise=True, resolve=certificates.resolve, order=ENVOY_TYPES)
        self._tables = NativeTables(files.directory)
        self._prober = probe.Prober(files.directory / "probe.sock", workers)
        self._server = grpc.aio.server(options=UNLIMITED)
        self._wanted = self._answered = Snapshot()
        """`_answered` is the newest wanted one that Envoy has answered for."""
        self._unproven: dict[str, str] = {}
        """Scopes that were probed and do not show their version yet."""
        self._held = Snapshot()
        """What Envoy holds, or is about to: the wanted resources, but the last good version of refused ones."""

    async def start(self) -> None:
        """Listen for Envoy."""
        self._server.add_generic_rpc_handlers(self._xds.handlers(_everybody))
        self._files.ads.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{self._files.ads}")
        await self._server.start()
        self._files.ads.chmod(0o600)

    async def stop(self) -> None:
        self._xds.withdraw(KEY, "the node is stopping")
        await self._server.stop(0.5)
        await self._prober.close()
        self._tables.close()

    @property
    def problems(self) -> Mapping[str, str]:
        """Resources that Envoy refuses or that lack a secret, "<type URL>/<name>" to the reason."""
        refused = {f"{type_url}/{name}": found.reason for (type_url, name), found in self.refused.items()}
        return {**refused, **self._filled.problems, **self._tables.problems}

    @property
    def blocked(self) -> str:
        """Why Envoy does not open a port of every node; empty when all are open. Stream routes' ports do not count."""
        refused = {n: f for (t, n), f in self.refused.items() if t == LISTENER and not n.startswith(STREAM_LISTENER)}
        return "; ".join(f"Envoy refuses the listener [{name}]: {found.reason}" for name, found in refused.items())

    @property
    def unproven(self) -> Collection[str]:
        """Scopes that were probed and did not serve their new version so far."""
        return self._unproven.keys()

    async def prove_again(self) -> None:
        """Probe once more what did not show its version; a bounded number of scopes."""
        again = dict(list(self._unproven.items())[:MOST_PROBES])
        missing = await self._prober.missing(again, 0.0)
        for scope in again.keys() - set(missing):
            del self._unproven[scope]

    async def probe(self) -> tuple[int, int]:
        """How many scopes were asked for their version, of very many some, and how many did not show it."""
        routes = self._held.of(ROUTES)
        found = {n.removeprefix(ROUTES_OF): probe.expected(routes[n]) for n in _spread(list(routes))}
        wanted = {scope: version for scope, version in found.items() if version}
        return len(wanted), len(await self._prober.missing(wanted, 0.0))

    async def apply(self, wanted: Snapshot) -> Receipt:
        """Bring Envoy to `wanted`; raises OSError for full disks.

        Scopes of new hosts go first and are looked up at once, then scopes change, then hosts that go are no longer
        looked up, then their scopes go: a host that moves from one scope to another is served by one of them always.
        """
        delta = diff(self._wanted, wanted)
        moved = delta if self._answered is self._wanted else diff(self._answered, wanted)
        self._write_scripts(delta.changed.get(SCRIPT, {}))
        self._tables.before(delta)
        if self._tables.empty:  # this Envoy serves nobody yet, and its first request shall find everything
            self._tables.after(wanted)
        self._wanted = wanted
        target = self._local(wanted)
        if delta.changed.get(HOST) and self._held.of(ROUTES):
            early = _joined(target, self._held, keeping=(ROUTES, SCOPED_ROUTES))
            await self._push(early, [n for n in delta.changed.get(ROUTES, {}) if n not in self._held.of(ROUTES)])
            self._tables.widen(wanted)
        added = _joined(self._held, target)
        answered, probed = await self._push(added, moved.changed.get(ROUTES, {}))
        target = self._without_refused(target)
        self._tables.after(wanted)
        self._held = target
        if target.entries != added.entries:
            self._xds.publish(KEY, target)
        self._drop_scripts(wanted.of(SCRIPT))
        if answered:
            self._answered = wanted
        return Receipt(answered, *self._changes(moved, probed))

    def fill_with(self, secrets: Mapping[str, str]) -> None:
        """The secrets (token to secret) to put where tokens stand for them, in what comes."""
        self._filled.secrets = self._tables.secrets = secrets

    async def refill(self, secrets: Mapping[str, str]) -> None:
        """As `fill_with`, and in what Envoy has, too, if they are not the same as before."""
        if secrets is self._filled.secrets:
            return
        self.fill_with(secrets)
        target = self._local(self._wanted)
        if target.entries != self._held.entries:
            await self._send(target)
            self._held = self._without_refused(target)
            if self._held.entries != target.entries:
                self._xds.publish(KEY, self._held)
        self._tables.after(self._wanted)

    async def rediscover(self) -> None:
        """Give Envoy the endpoints that registries name now, if they are not what it has; nothing else changes."""
        found = self._endpoints(self._wanted)
        if self._held.entries and found != self._held.of(ENDPOINTS):
            self._held = Snapshot({**self._held.entries, ENDPOINTS: found})
            self._xds.publish(KEY, self._held)

    def _endpoints(self, wanted: Snapshot) -> Mapping[str, Entry]:
        """Those of the snapshot, and of what is looked up those that are known."""
        looked_up = {name: self.discovered.get(name) or nowhere(name) for name in wanted.of(DISCOVERY)}
        return {**wanted.of(ENDPOINTS), **looked_up} if looked_up else wanted.of(ENDPOINTS)

    async def _push(self, added: Snapshot, changed: Collection[str]) -> tuple[bool, int]:
        """Whether Envoy answered, and how many of the changed scopes were probed; what they do not show is noted."""
        answered = await self._send(added)
        routes = added.of(ROUTES)
        served = [n for n in changed if (ROUTES, n) not in self.refused and (ROUTES, n) not in self._filled.blocked]
        found = {n.removeprefix(ROUTES_OF): probe.expected(routes[n]) for n in _spread(served)}
        versions = {scope: version for scope, version in found.items() if version}
        missing = await self._prober.missing(versions, PATIENCE if answered else 0.0)
        kept = self._wanted.of(ROUTES)
        before = {s: v for s, v in self._unproven.items() if ROUTES_OF + s in kept and ROUTES_OF + s not in changed}
        self._unproven = before | {scope: versions[scope] for scope in missing}
        return answered, len(versions)

    def _changes(self, moved: Delta, probed: int) -> tuple[Proof, frozenset[str]]:
        """How `moved` is proven, and what of it Envoy refuses."""
        refused = {(t, n) for t, n in (*self.refused, *self._filled.blocked) if n in moved.changed.get(t, {})}
        taken = {t: sum((t, n) not in refused for n in moved.changed.get(t, {})) for t in ENVOY_TYPES if t != ROUTES}
        tables = {t: len(moved.changed.get(t, {})) + len(moved.removed.get(t, ())) for t in (HOST, CONSUMER)}
        proof = Proof(
            probed=probed,
            scopes=len(moved.changed.get(ROUTES, {})) - sum(t == ROUTES for t, _ in refused),
            acknowledged={t.rpartition(".")[2]: count for t, count in taken.items() if count},
            written={t.rpartition(".")[2]: count for t, count in tables.items() if count},
        )
        return proof, frozenset(f"{t}/{n}" for t, n in refused)

    async def _send(self, snapshot: Snapshot) -> bool:
        """Push `snapshot` and note what Envoy refuses of it; whether Envoy has answered everything."""
        generation = self._xds.publish(KEY, snapshot)
        answered = await self._xds.acknowledged(KEY, generation, types=_present(snapshot), patience=PATIENCE)
        self._note_refusals(snapshot)
        return answered

    def _local(self, wanted: Snapshot) -> Snapshot:
        """`wanted` as this node serves it: Envoy's types only, our addresses, no version Envoy is known to refuse."""
        entries = {t: self._filled.of(t, wanted, self._held.of(t)) for t in ENVOY_TYPES}
        entries[ENDPOINTS] = self._endpoints(wanted)
        entries[LISTENER] = {name: self._rebound(found) for name, found in entries[LISTENER].items()}
        for type_url, name in list(self.refused):
            found, refused = entries[type_url].get(name), self.refused[type_url, name]
            if found is None or found.version != refused.version or not refused.lasts((type_url, name)):
                del self.refused[type_url, name]
        return self._without_refused(Snapshot(entries))

    def _rebound(self, found: Entry) -> Entry:
        return rebind(found, bind=self._bind, offset=self._offset, directory=self._files.directory)

    def _note_refusals(self, sent: Snapshot) -> None:
        for (type_url, name), reason in self._xds.rejected(KEY).items():
            found = sent.of(type_url).get(name)
            if found and (type_url, name) not in self.refused:
                self.refused[type_url, name] = Refused(found.version, reason)
                log.error("Envoy refuses a resource", type=type_url.rpartition(".")[2], name=name, reason=reason)

    def _without_refused(self, target: Snapshot) -> Snapshot:
        """`target` with the last good version, or nothing, in place of what Envoy refuses."""
        entries = dict(target.entries)
        for type_url in {t for t, _ in self.refused}:
            bad = [n for t, n in self.refused if t == type_url]
            good = {n: old for n in bad if (old := self._held.of(type_url).get(n))}
            entries[type_url] = {n: e for n, e in target.of(type_url).items() if n not in bad} | good
        return Snapshot(entries)

    def _write_scripts(self, scripts: Mapping[str, Entry]) -> None:
        for name, found in scripts.items():
            file = self._script(name)
            file.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(file, found.body)

    def _drop_scripts(self, wanted: Collection[str]) -> None:
        if self.refused:
            return  # a last good version may still need its script
        kept = {self._script(name) for name in wanted}
        for file in (self._files.directory / "lua").glob("*"):
            if file not in kept:
                file.unlink(missing_ok=True)

    def _script(self, name: str) -> Path:
        if not _SCRIPT_NAME.fullmatch(name):
            raise ValueError(f"not a script name: {name!r}")
        return self._files.directory / "lua" / Path(name).name


def _spread(names: Sequence[str]) -> Sequence[str]:
    """At most MOST_PROBES of these, evenly spread, the last among them: Envoy hands them to its workers in order."""
    step = max(1, -(-len(names) // MOST_PROBES))
    return names[::-1][::step]


def _joined(one: Snapshot, other: Snapshot, *, keeping: Collection[str] = ENVOY_TYPES) -> Snapshot:
    """Everything that either has; of `other` where both do and the type is in `keeping`, else of `one`."""
    entries: dict[str, Mapping[str, Entry]] = {}
    for type_url in ENVOY_TYPES:
        below, above = one.of(type_url), other.of(type_url)
        if type_url not in keeping:
            below, above = above, below
        entries[type_url] = above if below is above or below.keys() <= above.keys() else {**below, **above}
    return Snapshot(entries)


def _present(snapshot: Snapshot) -> Collection[str]:
    """The types that Envoy has to have asked for before silence means that it has everything."""
    return [t for t in (CLUSTER, LISTENER, SCOPED_ROUTES, ROUTES) if snapshot.of(t)]


async def _everybody(_: Context) -> str:
    return KEY
