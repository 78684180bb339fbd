"""What Envoy serves: whole snapshots applied in an order that never refers to what is not there yet, with proof."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc.aio
import structlog

from gatefleet.files import write_private
from gatefleet.node import certificates, probe
from gatefleet.node.bootstrap import RunFiles
from gatefleet.node.rebind import rebind
from gatefleet.node.tables import NativeTables
from gatefleet.snapshot import (
    CLUSTER,
    ENDPOINTS,
    HOST,
    LISTENER,
    ROUTES,
    ROUTES_OF,
    SCOPED_ROUTES,
    SCRIPT,
    SECRET,
    Entry,
    Snapshot,
    diff,
)
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import UNLIMITED

log = structlog.get_logger()

ENVOY_TYPES: Final = (CLUSTER, ENDPOINTS, SECRET, LISTENER, SCOPED_ROUTES, ROUTES)
KEY: Final = "envoy"
PATIENCE: Final = 5.0
"""Seconds that Envoy gets to answer a push before we go on without its answer."""
MOST_PROBES: Final = 64
"""Scopes of one change that are asked for their version; of a bigger change these stand for the rest."""
_SCRIPT_NAME: Final = re.compile(r"(?:lua/)?[\w-][\w.-]*")

Name = tuple[str, str]
"""Type URL and resource name."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is proven about one applied snapshot."""

    acknowledged: bool
    """Envoy has answered everything that was sent."""
    unproven: tuple[str, ...] = ()
    """Scopes that were probed and did not serve their new version."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that Envoy did not take: this version, for this reason."""

    version: str
    reason: str


class Serving:
    """The local ADS, the tables and the scripts of one Envoy."""

    def __init__(self, files: RunFiles, *, bind: str, offset: int, workers: int) -> None:
        self.refused: dict[Name, Refused] = {}
        self._files, self._bind, self._offset = files, bind, offset
        self._xds = Server(stepwise=True, resolve=certificates.resolve, order=ENVOY_TYPES)
        self._tables = NativeTables(files.directory)
        self._prober = probe.Prober(files.directory / "probe.sock", workers)
        self._server = grpc.aio.server(options=UNLIMITED)
        self._wanted = Snapshot()
        self._held = Snapshot()
        """What Envoy holds, or is about to: the wanted resources, but the last good version of refused ones."""

    async def start(self) -> None:
        """Listen for Envoy."""
        self._server.add_generic_rpc_handlers((self._xds.handler(_everybody),))
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
        """Resources that Envoy refuses, "<type URL>/<name>" to the reason."""
        return {f"{type_url}/{name}": found.reason for (type_url, name), found in self.refused.items()}

    @property
    def blocked(self) -> str:
        """Why Envoy does not open a port it should; empty when all are open."""
        return "; ".join(
            f"Envoy refuses the listener [{n}]: {f.reason}" for (t, n), f in self.refused.items() if t == LISTENER
        )

    async def apply(self, wanted: Snapshot) -> Receipt:
        """Bring Envoy to `wanted`; raises OSError for full disks.

        Scopes of new hosts go first and are looked up at once, then scopes change, then hosts that go are no longer
        looked up, then their scopes go: a host that moves from one scope to another is served by one of them always.
        """
        delta = diff(self._wanted, wanted)
        self._write_scripts(delta.changed.get(SCRIPT, {}))
        self._tables.before(delta)
        self._wanted = wanted
        target = self._local(wanted)
        if delta.changed.get(HOST) and self._held.of(ROUTES):
            early = _joined(target, self._held, keeping=(ROUTES, SCOPED_ROUTES))
            await self._push(early, [n for n in delta.changed.get(ROUTES, {}) if n not in self._held.of(ROUTES)])
            self._tables.widen(wanted)
        added = _joined(self._held, target)
        receipt = await self._push(added, delta.changed.get(ROUTES, {}))
        target = self._without_refused(target)
        self._tables.after(wanted)
        self._held = target
        if target.entries != added.entries:
            self._xds.publish(KEY, target)
        self._drop_scripts(wanted.of(SCRIPT))
        return receipt

    async def _push(self, added: Snapshot, changed: Iterable[str]) -> Receipt:
        answered = await self._send(added)
        served = [n for n in changed if (ROUTES, n) not in self.refused]
        routes = added.of(ROUTES)
        versions = {n.removeprefix(ROUTES_OF): probe.expected(routes[n]) for n in served[:MOST_PROBES]}
        unproven = await self._prober.missing(versions, PATIENCE if answered else 0.0)
        return Receipt(answered, tuple(unproven))

    async def _send(self, snapshot: Snapshot) -> bool:
        """Push `snapshot` and note what Envoy refuses of it; whether Envoy has answered everything."""
        generation = self._xds.publish(KEY, snapshot)
        answered = await self._xds.acknowledged(KEY, generation, types=_present(snapshot), patience=PATIENCE)
        self._note_refusals(snapshot)
        return answered

    def _local(self, wanted: Snapshot) -> Snapshot:
        """`wanted` as this node serves it: Envoy's types only, our addresses, no version Envoy is known to refuse."""
        entries = {t: wanted.of(t) for t in ENVOY_TYPES}
        entries[LISTENER] = {name: self._rebound(found) for name, found in wanted.of(LISTENER).items()}
        for type_url, name in list(self.refused):
            if (found := entries[type_url].get(name)) is None or found.version != self.refused[type_url, name].version:
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
