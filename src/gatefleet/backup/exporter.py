"""Brings the bucket to what the database says: per gateway group what its nodes serve, and its resources."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from gatefleet import sealed, snapshot
from gatefleet.backup import resources
from gatefleet.buckets import Bucket, Kind, Name
from gatefleet.compile.compiler import Compiler
from gatefleet.errors import GatefleetError
from gatefleet.resources import Document
from gatefleet.sealed import SnapshotKeys
from gatefleet.snapshot import Seal, Snapshot
from gatefleet.store import Store
from gatefleet.store.fleet_keys import snapshot_keys

log = structlog.stdlib.get_logger(__name__)

Key = tuple[str, str]


@dataclass(slots=True)
class State:
    """How the copies of one group are."""

    revision: int = 0
    """The newest of which every copy is in the bucket."""
    written_at: float = 0
    """When that was found to be so the last time, Unix seconds."""
    failures: int = 0
    reason: str = ""
    """Why the last attempt failed; empty when it did not."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where copies of one kind go."""

    kind: Kind
    bucket: Bucket


class Exporter:
    """Writes what is not in the bucket yet, and forgets all but the newest copies."""

    def __init__(self, store: Store, master: bytes, targets: Sequence[Target], keep: int) -> None:
        self.states: dict[str, State] = {}
        self._store, self._master, self._targets, self._keep = store, master, tuple(targets), keep
        self._groups: dict[str, _Group] = {}

    async def turn(self) -> None:
        """Look at every group once; one that fails does not keep the others. Unreachable without PostgreSQL."""
        revisions = await self._store.revisions()
        for known in (self._groups, self.states):
            for gone in known.keys() - revisions.keys():
                known.pop(gone)
        for group_id in revisions:
            await self._attempt(group_id)

    async def _attempt(self, group_id: str) -> None:
        state = self.states.setdefault(group_id, State())
        group = self._groups.setdefault(group_id, _Group(group_id))
        try:
            await self._export(group)
        except GatefleetError as error:
            state.failures += 1
            if state.reason != str(error):
                log.warning("a copy cannot be written", group=group_id, reason=str(error))
            state.reason = str(error)
        except Exception:
            log.exception("a copy cannot be written", group=group_id)
            state.failures, state.reason = state.failures + 1, "something broke; the log tells more"
            self._groups.pop(group_id)  # read anew the next time
        else:
            state.revision, state.written_at, state.reason = group.revision, time.time(), ""

    async def _export(self, group: "_Group") -> None:
        async with self._store.transaction() as connection:
            keys = (await snapshot_keys(connection, self._store.cipher, group.id))[0]
        await group.read(self._store)
        for target in self._targets:
            await self._copy(group, target, keys)

    async def _copy(self, group: "_Group", target: Target, keys: SnapshotKeys) -> None:
        """Write this copy unless the bucket has it."""
        of = keys.key_id if target.kind == "snapshot" else resources.key_id(self._master)
        name = Name(group.revision, int(time.time()), of, group.id, target.kind)
        newest = await group.newest(target)
        if newest and (newest.revision, newest.key_id) == (name.revision, name.key_id):
            return
        if newest and newest.revision > name.revision:
            log.warning("the bucket has a newer revision than the database", group=group.id, copy=newest.path)
        body = await asyncio.to_thread(self._made, group, name, keys)
        await target.bucket.write(name, body)
        log.info("copy written", group=group.id, revision=group.revision, kind=target.kind, bytes=len(body))
        group.written[target.kind] = name
        await target.bucket.delete((await target.bucket.copies(target.kind, group.id))[self._keep :])

    def _made(self, group: "_Group", name: Name, keys: SnapshotKeys) -> bytes:
        """The copy's bytes."""
        if name.kind == "resources":
            return resources.write(group.documents.values(), group.id, group.revision, name.made_at, self._master)
        seal = Seal(group.id, group.revision, name.made_at, snapshot.digest(group.compiled), keys.key_id)
        return sealed.write_copy(group.compiled, sealed.sign(seal, keys), keys.copy)


@dataclass(slots=True)
class _Group:
    """What a group holds, kept up to date with little reading; compiled as a DP Manager does it."""

    id: str
    revision: int = 0
    documents: dict[Key, Document] = field(default_factory=dict[Key, Document])
    written: dict[Kind, Name] = field(default_factory=dict[Kind, Name])
    compiled: Snapshot = field(default_factory=Snapshot)
    known: bool = False
    _compiler: Compiler = field(default_factory=Compiler)

    async def read(self, store: Store) -> None:
        """Bring this to the newest revision. NotFound when the group is gone."""
        changes = await store.read_changes(self.id, self.revision if self.known else 0)
        if self.known and changes.revision == self.revision:
            return
        if changes.full:
            self.documents, self._compiler = {}, Compiler()
        self.documents |= {(document.kind, document.key): document for document in changes.upserts}
        for key in changes.deletes:
            self.documents.pop(key, None)
        made = await asyncio.to_thread(self._compiler.update, changes.upserts, changes.deletes)
        self.compiled, self.revision, self.known = made.snapshot, changes.revision, True

    async def newest(self, target: Target) -> Name | None:
        """The newest copy in the bucket; looked up once."""
        if target.kind not in self.written:
            found = await target.bucket.copies(target.kind, self.id)
            if found:
                self.written[target.kind] = found[0]
        return self.written.get(target.kind)
