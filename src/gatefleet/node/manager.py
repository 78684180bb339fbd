"""The node's side of its DP Manager: the configuration stream, heartbeats, and a certificate that never runs out."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from gatefleet import VERSION, fleet, pki, sealed, snapshot
from gatefleet.errors import GatefleetError, Invalid, Unreachable
from gatefleet.fleet import HealthReport, Heard, Heartbeat, RequestTest, Tested, TrafficReport, Trust
from gatefleet.node.copies import Revision, check
from gatefleet.node.identity import IdentityStore, bundle_of, target
from gatefleet.node.link import Link
from gatefleet.pki import Bundle
from gatefleet.snapshot import SEAL, Delta, Seal, Snapshot
from gatefleet.waiting import happens
from gatefleet.xds.client import Follower

log = structlog.get_logger()

RENEWAL_CHECK: Final = 60.0
"""Seconds between looks at the certificate's age, and between attempts to renew it."""
EXPIRED_CHECK: Final = 4.0
"""The same once it has expired: nothing else works until there is another."""
BEAT_GAP: Final = 0.2
"""Seconds between heartbeats, at least: a burst of revisions is reported once."""
PATIENCE: Final = 3.0
"""Seconds without a stream after which the next address is tried."""
DEAF: Final = 2
"""Heartbeats without an answer, one after the other, after which a stream that seems open is taken for dead."""
AGAIN: Final = 1.0
"""Seconds after a heartbeat without an answer until the next."""
Beat = Callable[[], Awaitable[Heartbeat]]
Rejoin = Callable[[str, Bundle], Awaitable[Bundle]]
"""Given the address of a DP Manager, and what has expired."""


class Manager:
    """What comes from the DP Manager and what is told to it, for as long as the node lives."""

    def __init__(
        self, addresses: Sequence[str], store: IdentityStore, identity: Bundle, rejoin: Rejoin | None = None
    ) -> None:
        """`rejoin` gets another identity, by whatever the node is told to join with, once this one has expired."""
        self.identity = identity
        self._rejoin = rejoin
        stated = pki.identity_of(identity.certificate)
        self.instance = store.instance() if stated.shared else stated.instance
        self.newest: Revision | None = None
        """The newest whole and verified revision that came by the stream."""
        self.changed = asyncio.Event()
        """Set when there is something new to judge."""
        self._addresses, self._store = deque(addresses), store
        self.try_request: Callable[[RequestTest], None] = lambda _: None
        """Given each request that the DP Manager wants to be tried."""
        self._link = Link(target(self.address), identity)
        self._follower: Follower | None = None
        self._refusal = ""
        self._unheard = 0
        """Heartbeats since the last answer."""
        self._pending = Snapshot()
        self._seal: Seal | None = None
        self._floor = 0
        self._beat_now = asyncio.Event()
        self._linking = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        """What is done while the node is not cut off on purpose."""

    @property
    def address(self) -> str:
        """The DP Manager that is talked to now."""
        return self._addresses[0]

    @property
    def connected(self) -> bool:
        """A stream to the DP Manager is open."""
        return self._follower is not None and self._follower.connected

    @property
    def silence(self) -> str:
        """Why there is no stream, or why what came by it was refused."""
        if self.apart:
            return "cut off on purpose, for a drill"
        return self._refusal or (self._follower.problem if self._follower else "")

    @property
    def trust(self) -> Trust:
        """What copies are checked with now."""
        held, keys = self.identity, self.identity.keys_of_copies()
        newest = next((name for name, key in keys.items() if key == held.snapshot_key), "")
        return Trust(held.verification_keys, keys, newest, held.revoked)

    async def complete(self) -> None:
        """Get the group's keys when the identity lacks them (it came as plain certificate files).

        Raises a GatefleetError when the DP Manager does not answer or refuses.
        """
        if not self.identity.verification_keys:
            try:
                await self._renew()
            except Unreachable:
                await self._relink(move=True)
                raise

    def start(
        self, held: Revision | None, floor: int, beat: Beat, hear: Callable[[Heard], None], *, apart: float = 0.0
    ) -> None:
        """Follow from what is held already, after `apart` seconds; nothing below revision `floor` is taken.

        `beat` makes heartbeats, `hear` is given the answer to each.
        """
        if held:
            # the seal is not said to be held, so it always comes, and with it the proof that all else is right
            self._pending = Snapshot({t: e for t, e in held.snapshot.entries.items() if t != SEAL})
        self._floor = floor
        self._works = {
            "follow": self._follow,
            "heartbeats": lambda: self._heartbeats(beat, hear),
            "renewals": self._renewals,
            "addresses": self._alternate,
        }
        if apart:
            self._run("apart", self._apart(apart))
        else:
            self._work()

    @property
    def apart(self) -> bool:
        """It is cut off on purpose."""
        return "apart" in self._tasks

    async def isolate(self, seconds: float) -> None:
        """Hear and say nothing for so long; that ends by itself, or by `rejoin`."""
        async with self._linking:
            await self._rest()
            await self._link.close()
            self._follower = None
            self._run("apart", self._apart(seconds))
        self.changed.set()

    async def rejoin(self) -> None:
        """Do not stay cut off."""
        if self.apart:
            await self._rest()
            self._renew_link()

    async def _apart(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        del self._tasks["apart"]
        self._renew_link()

    def _renew_link(self) -> None:
        self._link = Link(target(self.address), self.identity)
        self._work()

    def _work(self) -> None:
        for name, work in self._works.items():
            self._run(name, work())

    async def _rest(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def raise_floor(self, revision: int) -> None:
        """Take nothing below `revision`, which the node serves, wherever it came from."""
        self._floor = max(self._floor, revision)

    async def leave(self, beat: Beat) -> None:
        """Say goodbye, if anybody listens; what was served can still be told until `close`."""
        apart = self.apart
        await self._rest()
        if not apart:
            with contextlib.suppress(GatefleetError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._link.heartbeat(await beat())

    async def close(self) -> None:
        await self._link.close()

    async def tell_health(self, report: HealthReport) -> bool:
        """Whether how the upstreams are is on record now."""
        if self.apart:
            return False
        try:
            await self._link.health(msgspec.structs.replace(report, instance=self.instance))
        except GatefleetError:  # it is away, or too old to know the call
            return False
        return True

    async def tell_traffic(self, report: TrafficReport) -> bool:
        """Whether what was served is on record now."""
        if self.apart:
            return False
        try:
            await self._link.traffic(msgspec.structs.replace(report, instance=self.instance))
        except GatefleetError:
            return False
        return True

    async def tell_tested(self, tested: Tested) -> None:
        """Say what came of a request; whoever ordered it does not wait long, so it is said once."""
        with contextlib.suppress(GatefleetError):
            await self._link.tested(msgspec.structs.replace(tested, instance=self.instance))

    def report(self) -> None:
        """Send a heartbeat soon, not in five seconds."""
        self._beat_now.set()

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.create_task(work, name=name)

    async def failed(self) -> None:
        """Wait until a part of this ends, which it never should; raises what ended it."""
        while True:
            if not (tasks := list(self._tasks.values())):  # one set is about to give way to another
                await asyncio.sleep(PATIENCE / 10)
                continue
            done, _ = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():  # a renewal replaces the task that follows
                    task.result()

    async def _alternate(self) -> None:
        """Go to the next address when one is silent for too long, and leave one that hangs."""
        since = time.monotonic()
        while True:
            await asyncio.sleep(PATIENCE / 10)
            if not self.connected:
                self._unheard = 0
            if self.connected and self._unheard >= DEAF:  # what stands before it keeps the stream open
                log.warning("the DP Manager does not answer", address=self.address, heartbeats=self._unheard)
                self._unheard = 0
                await self._relink(move=True)
                since = time.monotonic()
            elif self.connected or len(self._addresses) == 1:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                await self._relink(move=True)
                since = time.monotonic()

    async def _relink(self, *, move: bool = False) -> None:
        """Go on over a new connection, with the identity as it is now; `move`: to the next address."""
        async with self._linking:
            following = self._tasks.pop("follow", None)
            if following:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            if move:
                self._addresses.rotate(-1)
                log.info("the next DP Manager is tried", address=self.address, reason=self.silence)
            before, self._link = self._link, Link(target(self.address), self.identity)
            await before.close()
            if following:
                self._run("follow", self._follow())

    async def _follow(self) -> None:
        follower = self._follower = Follower(
            self._link.channel,
            node_id=self.instance,
            held=self._pending,
            metadata=self._stated(),
            beside=self._hear_beside,
        )
        async for delta in follower.updates():
            self._pending = snapshot.apply(self._pending, delta)
            if delta.changed.get(SEAL):
                self._take(follower, delta)

    def _stated(self) -> dict[str, str]:
        return {fleet.VERSION_HEADER: VERSION, fleet.INSTANCE_HEADER: self.instance, fleet.TESTS_HEADER: "1"}

    def _hear_beside(self, type_url: str, told: Mapping[str, bytes]) -> None:
        """What a newer DP Manager may say beside the configuration is none of our business."""
        for body in told.values() if type_url == fleet.REQUEST_TEST else ():
            try:
                order = msgspec.msgpack.decode(body, type=RequestTest)
            except msgspec.DecodeError as error:
                log.warning("a request to try cannot be read", reason=str(error))
            else:
                self.try_request(order)

    def _take(self, follower: Follower, delta: Delta) -> None:
        """A seal closes a revision: what is held now is whole, if it is what the seal states."""
        try:
            self._seal = _seal(delta)
            self._verify(self._seal)
        except Invalid as error:
            follower.refuse(str(error))
            if str(error) != self._refusal:
                log.warning("a revision is refused", reason=str(error))
            self._refusal = str(error)
            if self._seal and self._seal.key_id not in self.identity.verification_keys:
                self.report()  # the answer brings the group's present keys
        self.changed.set()

    def _verify(self, seal: Seal) -> None:
        """Take what is held as the revision that `seal` states; Invalid when it is not."""
        sealed.verify(seal, self._pending, self.identity.verification_keys)
        check(seal, self.identity.gateway_group_id, self._floor, "what the DP Manager sent")
        self.newest, self._floor, self._refusal = Revision(self._pending, seal), seal.revision, ""

    def _learn(self, trust: Trust) -> None:
        """Check with these keys from now on; what could not be checked may be right after all."""
        self._keep(
            msgspec.structs.replace(
                self.identity,
                verification_keys=trust.verification_keys,
                copy_keys=trust.copy_keys,
                snapshot_key=trust.copy_keys[trust.newest],
                revoked=trust.revoked,
            )
        )
        log.info("keys and revocations are those of now", keys=sorted(trust.verification_keys), newest=trust.newest)
        if self._refusal and self._seal:
            with contextlib.suppress(Invalid):
                self._verify(self._seal)
        self.changed.set()

    def _keep(self, identity: Bundle) -> None:
        self.identity = identity
        self._store.save(identity)

    async def _heartbeats(self, beat: Beat, hear: Callable[[Heard], None]) -> None:
        pause = fleet.HEARTBEAT_SECONDS
        while True:
            sent = time.monotonic()
            try:
                heard = await self._link.heartbeat(await beat())
            except Unreachable:
                self._unheard += 1
                pause = min(pause, AGAIN)
            except GatefleetError:  # the stream says more about a refusal
                pause = fleet.HEARTBEAT_SECONDS
            else:
                if heard.trust:
                    self._learn(heard.trust)
                self._unheard = 0
                pause = heard.watch.every if heard.watch else fleet.HEARTBEAT_SECONDS
                hear(heard)
            await happens(self._beat_now, pause)
            self._beat_now.clear()
            await asyncio.sleep(max(0.0, sent + BEAT_GAP - time.monotonic()))

    async def _renewals(self) -> None:
        said = ""
        while True:
            if self._due():
                try:
                    await self._renew()
                except GatefleetError as error:
                    if str(error) != said:
                        log.warning("the certificate could not be renewed", reason=str(error))
                    said = str(error)
            await asyncio.sleep(EXPIRED_CHECK if self._expired() else RENEWAL_CHECK)

    def _due(self) -> bool:
        certificate = self.identity.certificate
        return datetime.now(UTC) >= pki.renew_at(certificate) or not pki.is_a_nodes_own(certificate)

    def _expired(self) -> bool:
        return datetime.now(UTC) >= pki.expiry(self.identity.certificate)

    async def _renew(self) -> None:
        """Take the next certificate and go on with it; the old stream ends."""
        if self._rejoin and self._expired():
            fresh = await self._rejoin(self.address, self.identity)
        else:
            key = pki.new_key()
            enrolled = await self._link.renew(pki.create_csr(key, self.instance), self.instance)
            fresh = bundle_of(enrolled, key, tuple(self._addresses))
        self._keep(msgspec.structs.replace(fresh, revoked=self.identity.revoked, peers=self.identity.peers))
        log.info("the certificate is renewed", expires=pki.expiry(self.identity.certificate).isoformat())
        await self._relink()


def _seal(delta: Delta) -> Seal:
    try:
        (found,) = delta.changed[SEAL].values()
        return Seal.from_bytes(found.body)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"the seal cannot be read: {error}") from error
