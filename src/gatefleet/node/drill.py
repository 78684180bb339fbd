"""A rehearsed outage: the node cuts itself off, starts anew from a copy, proves that it serves, and comes back.

The whole of it is the node's own doing, so nothing that happens to whoever ordered it can leave the node cut off. How
far it has come lies in a file, because the agent ends in the middle and the next one goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from gatefleet.files import write_private
from gatefleet.fleet import Drill, Drilled, Part
from gatefleet.node.manager import Manager

log = structlog.get_logger()

AROUND: Final = 2.0
"""Seconds during which the node is looked at before it is cut off, and when it is back."""
PAUSE: Final = 0.25
"""Seconds between two looks."""
START: Final = 20.0
"""Seconds that it may take to serve again; then the drill ends, and the copy that was set aside is used.

They come on top of the time it was to be cut off, so that a slow start leaves time to look at it."""
RECONNECT: Final = 30.0
"""Seconds that it may take to be connected again."""


class Again(Exception):
    """The agent has to start anew; `envoy`: with a new Envoy."""

    def __init__(self, *, envoy: bool) -> None:
        super().__init__()
        self.envoy = envoy


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A drill and how far it has come; times are seconds since the machine's boot, which nobody sets."""

    order: Drill
    told: Drilled
    began: float = 0.0
    """When the node was cut off."""
    stopped: float = 0.0
    """When the agent ended for the drill; 0 before."""
    over: bool = False
    recorded: bool = False
    """The DP Manager has the result."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a drill needs of the agent."""

    probe: Callable[[], Awaitable[tuple[int, int]]]
    """How many route scopes were asked for their version, and how many did not show it."""
    served: Callable[[], tuple[int, str]]
    """The revision that is proven, 0 before, and the place it was taken from."""
    use_disk: Callable[[], None]
    """Take the copy on disk into account that was set aside."""


class Rehearsal:
    """The drill that runs, or ran last."""

    def __init__(self, file: Path, manager: Manager, *, elsewhere: bool) -> None:
        """`elsewhere`: there is another place than the disk to take a configuration from."""
        self._file, self._manager, self._elsewhere = file, manager, elsewhere
        self._kept = _read(file)
        self._ordered = asyncio.Event()

    @property
    def left(self) -> float:
        """Seconds after which the node is not cut off any more in any case; 0 when it is not now."""
        kept, now = self._kept, _now()
        if kept is None or kept.over or not kept.stopped or now < kept.began:
            return 0.0
        return max(0.0, kept.began + kept.order.seconds + START - now)

    @property
    def sets_disk_aside(self) -> bool:
        """The copy on disk must not be used now."""
        return self._kept is not None and self._kept.order.source != "disk" and self.left > 0

    @property
    def result(self) -> Drilled | None:
        """What the DP Manager has to be told."""
        return self._kept.told if self._kept and self._kept.over and not self._kept.recorded else None

    def hear(self, order: Drill | None, recorded: str) -> None:
        """What the DP Manager says: a drill that is ordered, and the id of the one whose result is on record."""
        kept = self._kept
        if kept and kept.over and not kept.recorded and kept.order.id == recorded:
            self._save(recorded=True)
        if order and (kept is None or (kept.over and kept.order.id != order.id)):
            self._kept = Kept(order, Drilled(order.id))
            self._ordered.set()

    async def run(self, hands: Hands) -> None:
        """Go on with what the agent before began, then carry out what is ordered. Raises Again to start anew."""
        if self._kept and not self._kept.over:
            self._end(await self._go_on(hands, self._kept.order, self._kept.stopped))
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            if self._kept:
                self._end(await self._begin(hands, self._kept.order))

    async def _begin(self, hands: Hands, order: Drill) -> str:
        """The first half, which ends with Again unless there is a reason not to go on."""
        log.info("a drill begins", seconds=order.seconds, source=order.source, envoy=order.envoy)
        self._tell(revision_before=hands.served()[0])
        if order.source != "disk" and not self._elsewhere:
            return "it has neither a bucket nor a peer to start from: see --fallback-* and --peer"
        await self._watch("before", AROUND, hands)
        if reason := shortcoming(self._told):
            return reason
        began = _now()
        await self._manager.isolate(order.seconds + START)
        await self._watch("cut off", order.seconds / 2, hands)
        if self._save(began=began, stopped=_now()):
            raise Again(envoy=order.envoy)
        await self._manager.rejoin()
        return "it cannot write to its data directory"

    async def _go_on(self, hands: Hands, order: Drill, stopped: float) -> str:
        """The second half; why it was not passed."""
        if not self.left:
            return "the agent came back from its start when the drill was over"
        patience = min(START, self.left)
        await self._until(lambda: hands.served()[0] > 0, patience)
        revision, source = hands.served()
        self._tell(revision_after=revision, started_from=source, start_seconds=round(_now() - stopped, 2))
        if not revision:
            hands.use_disk()
            await self._manager.rejoin()
            return f"it did not serve within {patience:.0f} seconds after it was started anew"
        await self._watch("started anew", order.seconds / 2, hands)
        await self._manager.rejoin()
        back = _now()
        connected = await self._until(lambda: self._manager.connected, RECONNECT)
        self._tell(reconnect_seconds=round(_now() - back, 2))
        await self._watch("connected again", AROUND, hands)
        if not connected:
            return f"it was not connected again within {RECONNECT:.0f} seconds"
        return shortcoming(self._told) or misplaced(order, self._told)

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        until = _now() + seconds
        while not reached() and _now() < until:  # noqa: ASYNC110  (several parts of the agent are looked at)
            await asyncio.sleep(PAUSE / 5)
        return reached()

    async def _watch(self, name: str, seconds: float, hands: Hands) -> None:
        """Ask Envoy again and again what it serves."""
        began, asked, failed = _now(), 0, 0
        while (left := began + seconds - _now()) > 0:
            more, missing = await hands.probe()
            asked, failed = asked + more, failed + missing
            await asyncio.sleep(min(PAUSE, left))
        self._tell(parts=(*self._told.parts, Part(name, round(_now() - began, 1), asked, failed)))

    @property
    def _told(self) -> Drilled:
        assert self._kept
        return self._kept.told

    def _tell(self, **more: Any) -> None:
        assert self._kept
        told = msgspec.structs.replace(self._kept.told, **more)
        self._kept = msgspec.structs.replace(self._kept, told=told)

    def _end(self, reason: str) -> None:
        self._tell(passed=not reason, reason=reason)
        self._save(over=True)
        log.info("the drill is over", passed=not reason, reason=reason)
        self._manager.report()

    def _save(self, **more: Any) -> bool:
        """Whether it is on disk now."""
        assert self._kept
        self._kept = msgspec.structs.replace(self._kept, **more)
        try:
            write_private(self._file, msgspec.json.encode(self._kept), lasting=True)
        except OSError as error:
            log.warning("how far a drill has come cannot be written down", reason=str(error))
            return False
        return True


def shortcoming(told: Drilled) -> str:
    """Where Envoy did not serve what it should; empty if it always did."""
    return "; ".join(f"{p.failed} of {p.probes} probes failed ({p.name})" for p in told.parts if p.failed)


def misplaced(order: Drill, told: Drilled) -> str:
    """What was wrong with what it was started from; empty if nothing."""
    wanted = ("disk",) if order.source == "disk" else ("bucket", "peer")
    if told.started_from not in wanted:
        return f"it was started from the {told.started_from}, not from the {order.source}"
    if told.revision_after < told.revision_before:
        return f"it served revision {told.revision_after} afterwards, and {told.revision_before} before"
    return ""


def _read(file: Path) -> Kept | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
