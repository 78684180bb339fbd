"""Copies from elsewhere: asked for while no DP Manager is connected, checked like the copy on disk."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from gatefleet.buckets import Bucket, Name
from gatefleet.errors import GatefleetError, Invalid
from gatefleet.node.copies import Revision, opened
from gatefleet.node.judge import Source
from gatefleet.pki import Bundle

log = structlog.get_logger()

GRACE: Final = 2.0
"""Seconds without a DP Manager after which others are asked."""
TURN: Final = 0.5
MOST_TRIED: Final = 5
"""Copies of a bucket that are tried in one look before it is given up."""


class Place(Protocol):
    """Somewhere else to get a configuration from."""

    source: Source

    async def newer(self, identity: Bundle, least: int) -> Revision | None:
        """The newest copy of revision `least` or newer, fully checked; None when there is none.

        Raises a GatefleetError when the place does not answer or has nothing but what must be refused.
        """
        ...


class BucketCopies:
    """What `gatefleet backup` wrote; the newest copy that is whole and ours."""

    source: Source = "bucket"

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def newer(self, identity: Bundle, least: int) -> Revision | None:
        names = await self._bucket.copies("snapshot", identity.gateway_group_id)
        refused: Invalid | None = None
        for name in [name for name in names if name.revision >= least][:MOST_TRIED]:
            try:
                return await self._opened(name, identity)
            except Invalid as error:
                log.warning(str(error))
                refused = refused or error
        if refused:
            raise refused
        return None

    async def _opened(self, name: Name, identity: Bundle) -> Revision:
        body, what = await self._bucket.read(name), f"the copy [{name.path}] in the bucket"
        found = await asyncio.to_thread(opened, body, identity, 0, what)
        if found.seal.revision != name.revision:
            raise Invalid(f"{what} is refused: it holds revision {found.seal.revision}, not what its name says")
        return found


class Elsewhere:
    """What other places have, as long as there is no DP Manager to say it."""

    def __init__(self, places: Sequence[Place], interval: float, changed: Callable[[], None]) -> None:
        self.found: dict[Source, Revision] = {}
        """The newest valid copy of each place, until a DP Manager has said something as new."""
        self.problems: dict[Source, str] = {}
        """Why a place gave nothing the last time."""
        self._places, self._interval, self._changed = tuple(places), interval, changed

    async def run(self, cut_off: Callable[[], bool], identity: Callable[[], Bundle], least: Callable[[], int]) -> None:
        """Look again and again while `cut_off`; `least` is the lowest revision that is of use."""
        since: float | None = None
        looked = 0.0
        while True:
            now = time.monotonic()
            since = (since or now) if cut_off() else None
            if since is None:
                self.problems.clear()
            elif now - since >= GRACE and now - looked >= self._interval:
                await asyncio.gather(*(self._look(place, identity, least) for place in self._places))
                looked = time.monotonic()
            await asyncio.sleep(TURN)

    def forget(self, revision: int) -> None:
        """Drop what is not newer than `revision`, which came from a DP Manager."""
        self.found = {source: held for source, held in self.found.items() if held.seal.revision > revision}

    async def _look(self, place: Place, identity: Callable[[], Bundle], least: Callable[[], int]) -> None:
        problem = ""
        try:
            if found := await place.newer(identity(), least()):
                self.found[place.source] = found
                self._changed()
        except GatefleetError as error:
            problem = str(error)
        if problem and problem != self.problems.get(place.source):
            log.warning("no copy from elsewhere", place=place.source, reason=problem)
        if problem:
            self.problems[place.source] = problem
        else:
            self.problems.pop(place.source, None)
