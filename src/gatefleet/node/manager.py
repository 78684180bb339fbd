"""The node's side of its DP Manager: the configuration stream, heartbeats, and a certificate that never runs out."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from gatefleet import VERSION, fleet, pki, sealed, snapshot
from gatefleet.errors import GatefleetError, Invalid
from gatefleet.fleet import HealthReport, Heard, Heartbeat
from gatefleet.node.copies import Revision, check
from gatefleet.node.identity import IdentityStore, bundle_of, target
from gatefleet.node.link import Link
from gatefleet.pki import Bundle
from gatefleet.snapshot import SEAL, Delta, Seal, Snapshot
from gatefleet.xds.client import Follower

log = structlog.get_logger()

RENEWAL_CHECK: Final = 60.0
"""Seconds between looks at the certificate's age, and between attempts to renew it."""
BEAT_GAP: Final = 0.2
"""Seconds between heartbeats, at least: a burst of revisions is reported once."""
Beat = Callable[[], Awaitable[Heartbeat]]


class Manager:
    """What comes from the DP Manager and what is told to it, for as long as the node lives."""

    def __init__(self, address: str, store: IdentityStore, identity: Bundle) -> None:
        self.identity = identity
        stated = pki.identity_of(identity.certificate)
        self.instance = store.instance() if stated.shared else stated.instance
        self.newest: Revision | None = None
        """The newest whole and verified revision that came by the stream."""
        self.changed = asyncio.Event()
        """Set when there is something new to judge."""
        self.address, self._store = address, store
        self._link = Link(target(address), identity)
        self._follower: Follower | None = None
        self._refusal = ""
        self._pending = Snapshot()
        self._floor = 0
        self._beat_now = asyncio.Event()
        self._renew_now = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def connected(self) -> bool:
        """A stream to the DP Manager is open."""
        return self._follower is not None and self._follower.connected

    @property
    def silence(self) -> str:
        """Why there is no stream, or why what came by it was refused."""
        return self._refusal or (self._follower.problem if self._follower else "")

    async def complete(self) -> None:
        """Get the group's keys when the identity lacks them (it came as plain certificate files).

        Raises a GatefleetError when the DP Manager does not answer or refuses.
        """
        if not self.identity.verification_keys:
            await self._renew()

    def start(self, held: Revision | None, floor: int, beat: Beat, hear: Callable[[Heard], None]) -> None:
        """Follow from what is held already; nothing below revision `floor` is taken.

        `beat` makes heartbeats, `hear` is given the answer to each.
        """
        if held:
            # the seal is not said to be held, so it always comes, and with it the proof that all else is right
            self._pending = Snapshot({t: e for t, e in held.snapshot.entries.items() if t != SEAL})
        self._floor = floor
        self._run("follow", self._follow())
        self._run("heartbeats", self._heartbeats(beat, hear))
        self._run("renewals", self._renewals())

    def raise_floor(self, revision: int) -> None:
        """Take nothing below `revision`, which the node serves, wherever it came from."""
        self._floor = max(self._floor, revision)

    async def stop(self, beat: Beat) -> None:
        """Say goodbye, if anybody listens."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        with contextlib.suppress(GatefleetError, TimeoutError):
            await asyncio.wait_for(self._link.heartbeat(await beat()), 1)
        await self._link.close()

    async def tell_health(self, report: HealthReport) -> bool:
        """Whether how the upstreams are is on record now."""
        try:
            await self._link.health(msgspec.structs.replace(report, instance=self.instance))
        except GatefleetError:  # it is away, or too old to know the call
            return False
        return True

    def report(self) -> None:
        """Send a heartbeat soon, not in five seconds."""
        self._beat_now.set()

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.create_task(work, name=name)

    async def failed(self) -> None:
        """Wait until a part of this ends, which it never should; raises what ended it."""
        while True:
            tasks = list(self._tasks.values())
            done, _ = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():  # a renewal replaces the task that follows
                    task.result()

    async def _follow(self) -> None:
        follower = self._follower = Follower(
            self._link.channel, node_id=self.instance, held=self._pending, metadata=self._stated()
        )
        async for delta in follower.updates():
            self._pending = snapshot.apply(self._pending, delta)
            if delta.changed.get(SEAL):
                self._take(follower, delta)

    def _stated(self) -> dict[str, str]:
        return {fleet.VERSION_HEADER: VERSION, fleet.INSTANCE_HEADER: self.instance}

    def _take(self, follower: Follower, delta: Delta) -> None:
        """A seal closes a revision: what is held now is whole, if it is what the seal states."""
        try:
            seal = _seal(delta)
            if seal.key_id not in self.identity.verification_keys:
                self._renew_now.set()  # the answer brings the group's present keys
            sealed.verify(seal, self._pending, self.identity.verification_keys)
            check(seal, self.identity.gateway_group_id, self._floor, "what the DP Manager sent")
        except Invalid as error:
            follower.refuse(str(error))
            if str(error) != self._refusal:
                log.warning("a revision is refused", reason=str(error))
            self._refusal = str(error)
        else:
            self.newest, self._floor, self._refusal = Revision(self._pending, seal), seal.revision, ""
        self.changed.set()

    async def _heartbeats(self, beat: Beat, hear: Callable[[Heard], None]) -> None:
        pause = fleet.HEARTBEAT_SECONDS
        while True:
            sent = time.monotonic()
            with contextlib.suppress(GatefleetError):  # the stream says more about a lost connection
                heard = await self._link.heartbeat(await beat())
                pause = heard.watch.every if heard.watch else fleet.HEARTBEAT_SECONDS
                hear(heard)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._beat_now.wait(), pause)
            self._beat_now.clear()
            await asyncio.sleep(max(0.0, sent + BEAT_GAP - time.monotonic()))

    async def _renewals(self) -> None:
        while True:
            if self._renew_now.is_set() or datetime.now(UTC) >= pki.renew_at(self.identity.certificate):
                try:
                    await self._renew()
                    self._run("follow", self._follow())
                except GatefleetError as error:
                    log.warning("the certificate could not be renewed", reason=str(error))
                self._renew_now.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._renew_now.wait(), RENEWAL_CHECK)

    async def _renew(self) -> None:
        """Take the next certificate and go on with it; the old stream ends."""
        key = pki.new_key()
        enrolled = await self._link.renew(pki.create_csr(key, self.instance), self.instance)
        self.identity = bundle_of(enrolled, key, self.address)
        self._store.save(self.identity)
        log.info("the certificate is renewed", expires=pki.expiry(self.identity.certificate).isoformat())
        if follow := self._tasks.pop("follow", None):
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
        before, self._link = self._link, Link(target(self.address), self.identity)
        await before.close()


def _seal(delta: Delta) -> Seal:
    try:
        (found,) = delta.changed[SEAL].values()
        return Seal.from_bytes(found.body)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"the seal cannot be read: {error}") from error
