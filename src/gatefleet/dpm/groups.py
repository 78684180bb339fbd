"""The gateway groups, each kept compiled, sealed and published while it changes."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from gatefleet import snapshot
from gatefleet.compile.variants import Variants
from gatefleet.errors import GatefleetError, NotFound
from gatefleet.fleet import HEARTBEAT_SECONDS, Drill, Watch
from gatefleet.pki import Identity
from gatefleet.resources.rings import Overlay
from gatefleet.sealed import SnapshotKeys, sign
from gatefleet.snapshot import SEAL, Seal, Snapshot
from gatefleet.store import Changes, Store, drills, fleet, listen, rings
from gatefleet.store.fleet_keys import snapshot_keys, valid_ids
from gatefleet.waiting import happens
from gatefleet.xds.server import Server

log = structlog.stdlib.get_logger(__name__)

POLL_SECONDS: Final = 2.0
"""How often revisions are read in case a notice was lost."""
ANSWER_SECONDS: Final = 5.0
"""How long that may take; a PostgreSQL that takes longer is away, whatever its connections say."""
CEILING: Final = 0.2
"""The longest pause between two turns of a group; a turn is never nearer to the last than that one took."""
_LARGE: Final = 200
"""Documents from which on compiling leaves the loop, so that heartbeats are answered meanwhile."""
_AFTER_FAULT: Final = 5.0
MEMBER_SECONDS: Final = 1.0
"""Between two heartbeats of a ring's member."""


@dataclass(frozen=True, slots=True)
class State:
    """What a group has come to."""

    revision: int = 0
    resources: int = 0
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    turn_seconds: float = 0.0
    """How long reading, compiling, sealing and publishing the newest revision took."""


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring that runs in a group: its members follow a stream key of their own."""

    id: str
    members: frozenset[str]
    overlay: Overlay


class Group:
    """One group: reads what changed, compiles it, publishes the sealed snapshots."""

    def __init__(self, store: Store, server: Server, group_id: str) -> None:
        self.id = group_id
        self.state = State()
        self.ring: Ring | None = None
        self._store, self._server = store, server
        self.keys: tuple[SnapshotKeys, ...] = ()
        """The keys its nodes check with, the one that signs first."""
        self._rekeyed = False
        self._sealed_with: SnapshotKeys | None = None
        self._variants: Variants | None = None
        self._reported: Mapping[str, str] | None = None
        self._woken = asyncio.Event()
        self._woken.set()

    @property
    def ring_key(self) -> str:
        """The stream key of a ring's members; the group's id is that of everybody else."""
        return f"{self.id}/ring"

    def key_of(self, instance: str) -> str:
        """The stream key for an instance."""
        return self.ring_key if self.ring and instance in self.ring.members else self.id

    def watch(self, instance: str) -> Watch | None:
        """What an instance shall count; members more often, as the ring's end depends on them."""
        if self.ring is None:
            return None
        services = {service: tuple(sorted(names)) for service, names in self.ring.overlay.labels().items()}
        every = MEMBER_SECONDS if instance in self.ring.members else HEARTBEAT_SECONDS
        return Watch(self.ring.id, services, every)

    @property
    def connected(self) -> int:
        """Nodes that follow the group now."""
        return self._server.connected(self.id) + self._server.connected(self.ring_key)

    def wake(self) -> None:
        self._woken.set()

    def stale(self, revision: int) -> bool:
        """Whether something of `revision` is still to be done."""
        return (
            self._variants is None
            or self._rekeyed
            or self.state.revision != revision
            or self._reported != self.state.problems
        )

    def rekey(self, valid: tuple[str, ...]) -> None:
        """Read the keys anew, and seal with the one that signs now, unless they are these."""
        self._rekeyed |= bool(self.keys) and tuple(key.key_id for key in self.keys) != valid

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
                self._variants = None
                await asyncio.sleep(_AFTER_FAULT)
            await asyncio.sleep(min(CEILING, time.monotonic() - began))

    async def turn(self) -> None:
        """Publish the group's newest revision, unless that is out already."""
        began = time.monotonic()
        await self._read_keys()
        changes = await self._store.read_changes(self.id, self.state.revision if self._variants else 0)
        if self._variants and changes.revision == self.state.revision and self._sealed_with == self.keys[0]:
            return
        ring = await self._read_ring(changes.ring_id)
        if self._variants is None or changes.full:
            self._variants = Variants()
        work = (self._variants, self.keys[0], self.id, changes, ring.overlay if ring else None, int(time.time()))
        ends_or_begins = [r.overlay.size for r in (ring, self.ring) if r and ring is not self.ring]
        large = len(changes.upserts) + sum(ends_or_begins) > _LARGE
        made = await asyncio.to_thread(_compile, *work) if large else _compile(*work)
        self._publish(made, ring)
        self._sealed_with = self.keys[0]
        count = sum(len(entries) for entries in made.main.entries.values())
        took = time.monotonic() - began
        self.state = State(changes.revision, count, made.problems, took)
        log.info("published", group=self.id, revision=changes.revision, resources=count, ms=round(took * 1000, 1))

    def _publish(self, made: "Made", ring: Ring | None) -> None:
        """Bring every stream to the snapshot meant for it, in one step: nobody is sent what others serve meanwhile."""
        if ring is not self.ring:
            self._server.move(self.ring_key, self.id)
        self.ring = ring
        if ring and made.ring:
            self._server.move(self.id, self.ring_key, [instance_name(self.id, member) for member in ring.members])
            self._server.publish(self.ring_key, made.ring)
        else:
            self._server.withdraw(self.ring_key, "the ring is over")
        self._server.publish(self.id, made.main)

    async def _read_ring(self, ring_id: str | None) -> Ring | None:
        if ring_id is None or (self.ring and self.ring.id == ring_id):
            return self.ring if ring_id else None
        async with self._store.reading() as connection:
            found = await rings.find(connection, ring_id)
            return Ring(ring_id, found.members, await rings.overlay(connection, self._store.cipher, ring_id))

    async def _read_keys(self) -> None:
        """Read the keys if that is due."""
        if self.keys and not self._rekeyed:
            return
        async with self._store.transaction() as connection:
            self.keys = await snapshot_keys(connection, self._store.cipher, self.id)
        self._rekeyed = False

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
        self._drills: Mapping[Identity, Drill] = {}
        self._look = asyncio.Event()

    def states(self) -> Mapping[str, State]:
        return {name: group.state for name, (group, _) in self._groups.items()}

    def revision(self, group_id: str) -> int:
        """The newest revision published to a group's nodes. NotFound for a group we do not know."""
        return self._known(group_id).state.revision

    def key_of(self, identity: Identity) -> str:
        """The key of the stream that an instance follows now. NotFound for a group we do not know."""
        return self._known(identity.group).key_of(identity.instance)

    def watch(self, identity: Identity) -> Watch | None:
        """What an instance shall count; None when no ring runs. NotFound for a group we do not know."""
        return self._known(identity.group).watch(identity.instance)

    def drill(self, identity: Identity) -> Drill | None:
        """The outage that an instance shall rehearse now."""
        return self._drills.get(identity)

    def keys(self, group_id: str) -> tuple[SnapshotKeys, ...]:
        """The keys that a group's nodes check with; none before they are read. NotFound for a group we do not know."""
        return self._known(group_id).keys

    def connected(self, group_id: str) -> int:
        """How many nodes follow a group now."""
        return self._known(group_id).connected

    def _known(self, group_id: str) -> Group:
        if group_id not in self._groups:
            self._look.set()  # it may be new: the caller will ask again
            raise NotFound(f"gateway group [{group_id}] not found")
        return self._groups[group_id][0]

    async def run(self) -> None:
        """Follow the database until cancelled; what is published stays published while it is away."""
        listener = asyncio.create_task(listen(self._dsn, self._heard))
        try:
            while True:
                await self._compare()
                await happens(self._look, POLL_SECONDS)
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
            async with asyncio.timeout(ANSWER_SECONDS):
                revisions = await self._store.revisions()
                async with self._store.reading() as connection:
                    keys = await valid_ids(connection)
                    self._drills = await drills.waiting(connection)
        except (GatefleetError, TimeoutError) as error:
            if self.reachable:
                log.warning("postgresql is away; nodes keep what they have", reason=str(error))
            self.reachable = False
            return
        except Exception:
            log.exception("revisions cannot be read; nodes keep what they have")
            self.reachable = False
            return
        if not self.reachable:
            log.info("postgresql is back")
        self.reachable = True
        for name in self._groups.keys() - revisions.keys():
            group, task = self._groups.pop(name)
            task.cancel()
            for key in (group.id, group.ring_key):
                self._server.withdraw(key, f"gateway group [{name}] is gone")
        for name, revision in revisions.items():
            if name not in self._groups or self._groups[name][1].done():
                group = Group(self._store, self._server, name)
                self._groups[name] = (group, asyncio.create_task(group.run()))
                continue
            group = self._groups[name][0]
            group.rekey(keys.get(name, ()))
            if group.stale(revision):
                group.wake()


@dataclass(frozen=True, slots=True)
class Made:
    """One revision, compiled and sealed: for everybody, and for the members of a ring if one runs."""

    main: Snapshot
    ring: Snapshot | None
    problems: Mapping[str, str]


def instance_name(group_id: str, instance: str) -> str:
    """What an instance's streams are found by."""
    return f"{group_id}/{instance}"


def _compile(
    variants: Variants, keys: SnapshotKeys, group_id: str, changes: Changes, overlay: Overlay | None, made_at: int
) -> Made:
    made = variants.update(changes.upserts, changes.deletes, overlay)
    seal = Seal(group_id, changes.revision, made_at, "", keys.key_id)
    problems = made.main.problems
    if made.ring:
        own = made.ring.problems.items() - problems.items()
        problems = {**problems, **{f"ring/{document}": reason for document, reason in sorted(own)}}
    return Made(
        main=_sealed(made.main.snapshot, seal, keys),
        ring=_sealed(made.ring.snapshot, seal, keys) if made.ring else None,
        problems=problems,
    )


def _sealed(plain: Snapshot, seal: Seal, keys: SnapshotKeys) -> Snapshot:
    signed = sign(msgspec.structs.replace(seal, digest=snapshot.digest(plain)), keys)
    return Snapshot({**plain.entries, SEAL: {"seal": snapshot.entry(signed.to_bytes())}})
