"""The gateway groups, each kept compiled, sealed and published while it changes."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from gatefleet import snapshot
from gatefleet.compile.compiler import Compiled, Compiler
from gatefleet.errors import GatefleetError, NotFound
from gatefleet.sealed import SnapshotKeys, sign
from gatefleet.snapshot import SEAL, Seal, Snapshot
from gatefleet.store import Changes, Store, fleet, listen
from gatefleet.xds.server import Server

log = structlog.stdlib.get_logger(__name__)

POLL_SECONDS: Final = 2.0
"""How often revisions are read in case a notice was lost."""
CEILING: Final = 0.2
"""The longest pause between two turns of a group; a turn is never nearer to the last than that one took."""
_LARGE: Final = 200
"""Documents from which on compiling leaves the loop, so that heartbeats are answered meanwhile."""
_AFTER_FAULT: Final = 5.0


@dataclass(frozen=True, slots=True)
class State:
    """What a group has come to."""

    revision: int = 0
    resources: int = 0
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    turn_seconds: float = 0.0
    """How long reading, compiling, sealing and publishing the newest revision took."""


class Group:
    """One group: reads what changed, compiles it, publishes the sealed snapshot."""

    def __init__(self, store: Store, server: Server, group_id: str) -> None:
        self.id = group_id
        self.state = State()
        self._store, self._server = store, server
        self._keys: SnapshotKeys | None = None
        self._compiler: Compiler | None = None
        self._reported: Mapping[str, str] | None = None
        self._woken = asyncio.Event()
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def stale(self, revision: int) -> bool:
        """Whether something of `revision` is still to be done."""
        return self._compiler is None or self.state.revision != revision or self._reported != self.state.problems

    async def run(self) -> None:
        """Turn after turn, until the group is gone."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            began = time.monotonic()
            try:
                await self.turn()
                await self._report()
            except NotFound:
                return
            except GatefleetError as error:  # the next look at the revisions finds this group stale
                log.warning("group waits", group=self.id, reason=str(error))
            except Exception:
                log.exception("group cannot be compiled; its nodes keep what they have", group=self.id)
                self._compiler = None
                await asyncio.sleep(_AFTER_FAULT)
            await asyncio.sleep(min(CEILING, time.monotonic() - began))

    async def turn(self) -> None:
        """Publish the group's newest revision, unless that is out already."""
        began = time.monotonic()
        self._keys = self._keys or await self._read_keys()
        changes = await self._store.read_changes(self.id, self.state.revision if self._compiler else 0)
        if self._compiler and changes.revision == self.state.revision:
            return
        if self._compiler is None or changes.full:
            self._compiler = Compiler()
        made_at = int(time.time())
        work = (self._compiler, self._keys, self.id, changes, made_at)
        large = len(changes.upserts) > _LARGE
        whole, compiled = await asyncio.to_thread(_compile, *work) if large else _compile(*work)
        self._server.publish(self.id, whole)
        count = sum(len(entries) for entries in whole.entries.values())
        took = time.monotonic() - began
        self.state = State(changes.revision, count, compiled.problems, took)
        log.info("published", group=self.id, revision=changes.revision, resources=count, ms=round(took * 1000, 1))

    async def _read_keys(self) -> SnapshotKeys:
        async with self._store.transaction() as connection:
            return (await fleet.snapshot_keys(connection, self._store.cipher, self.id))[0]

    async def _report(self) -> None:
        """Put what could not be compiled on record, when it is not what was recorded last."""
        problems = self.state.problems
        if problems == self._reported:
            return
        async with self._store.transaction() as connection:
            await fleet.report(connection, self.id, self.state.revision, problems)
        for document, reason in problems.items():
            log.warning("left out", group=self.id, document=document, reason=reason)
        self._reported = problems


class Groups:
    """All groups of the database, each with a task of its own."""

    def __init__(self, store: Store, server: Server, dsn: str) -> None:
        self.reachable = True
        """PostgreSQL answered the last time."""
        self._store, self._server, self._dsn = store, server, dsn
        self._groups: dict[str, tuple[Group, asyncio.Task[None]]] = {}
        self._look = asyncio.Event()

    def states(self) -> Mapping[str, State]:
        return {name: group.state for name, (group, _) in self._groups.items()}

    def revision(self, group_id: str) -> int:
        """The newest revision published to a group's nodes. NotFound for a group we do not know."""
        if group_id not in self._groups:
            self._look.set()  # it may be new: the caller will ask again
            raise NotFound(f"gateway group [{group_id}] not found")
        return self._groups[group_id][0].state.revision

    async def run(self) -> None:
        """Follow the database until cancelled; what is published stays published while it is away."""
        listener = asyncio.create_task(listen(self._dsn, self._heard))
        try:
            while True:
                await self._compare()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), POLL_SECONDS)
                self._look.clear()
        finally:
            tasks = [listener, *(task for _, task in self._groups.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self, group_id: str | None) -> None:
        if group_id in self._groups:
            self._groups[group_id][0].wake()
        else:
            self._look.set()

    async def _compare(self) -> None:
        try:
            revisions = await self._store.revisions()
        except GatefleetError as error:
            if self.reachable:
                log.warning("postgresql is away; nodes keep what they have", reason=str(error))
            self.reachable = False
            return
        if not self.reachable:
            log.info("postgresql is back")
        self.reachable = True
        for name in self._groups.keys() - revisions.keys():
            self._groups.pop(name)[1].cancel()
            self._server.withdraw(name, f"gateway group [{name}] is gone")
        for name, revision in revisions.items():
            if name not in self._groups or self._groups[name][1].done():
                group = Group(self._store, self._server, name)
                self._groups[name] = (group, asyncio.create_task(group.run()))
            elif self._groups[name][0].stale(revision):
                self._groups[name][0].wake()


def _compile(
    compiler: Compiler, keys: SnapshotKeys, group_id: str, changes: Changes, made_at: int
) -> tuple[Snapshot, Compiled]:
    compiled = compiler.update(changes.upserts, changes.deletes)
    digest = snapshot.digest(compiled.snapshot)
    seal = sign(Seal(group_id, changes.revision, made_at, digest, keys.key_id), keys)
    whole = Snapshot({**compiled.snapshot.entries, SEAL: {"seal": snapshot.entry(seal.to_bytes())}})
    return whole, compiled
