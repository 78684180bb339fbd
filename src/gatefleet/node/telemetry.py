"""Tells the DP Manager what this node's Envoys have served: exactly once, though either of them may be away or restart.

What was counted stays in the native module's files until it is on record. While the DP Manager is away Envoy goes on
counting; what came together meanwhile is told at once when it is back.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import structlog

from gatefleet import figures
from gatefleet.errors import Invalid
from gatefleet.figures import Figures
from gatefleet.fleet import Entry, Line, TrafficReport
from gatefleet.native.traffic import OTHERS, PREFIX, Name, Sample, Span, TrafficFile

log = structlog.get_logger()

STEP: Final = 15.0
"""Seconds between two reports."""
GRACE: Final = 1.0
"""Seconds after which no worker is writing any more to what was counted before."""
AGAIN: Final = 3.0
"""Seconds until a report that is not on record is sent again, at first; twice as long each time."""
MOST_LINES: Final = 2000
"""Of a report; beyond them those with fewest requests are told together."""
MOST_ENTRIES: Final = 200
LAST: Final = 2.0
"""Seconds that the last reports may take."""
Tell = Callable[[TrafficReport], Awaitable[bool]]
_DIMENSIONS: Final[Mapping[str, Literal["route", "consumer"]]] = {"r": "route", "c": "consumer"}


class Telemetry:
    """What is counted on a node, on its way to the DP Manager.

    `run_dir` has a directory for each Envoy: the one that serves, and one of another build that it replaced. Their
    files are read to the end, though somebody may have removed them meanwhile.
    """

    def __init__(self, run_dir: Path, tell: Tell) -> None:
        self._run_dir, self._tell = run_dir, tell
        self._files: dict[Path, TrafficFile | None] = {}
        """None for what cannot be used."""

    async def run(self) -> None:
        """Until it is cancelled. All nodes report at the same moments, so that steps are whole."""
        pause = AGAIN
        while True:
            try:
                told = await self.turn()
            except Exception:  # the node serves whatever becomes of its figures
                log.exception("what was served cannot be told")
                told = False
            pause = AGAIN if told else min(STEP, 2 * pause)
            await asyncio.sleep(STEP - time.time() % STEP if told else pause)

    async def stop(self) -> None:
        """Tell what there is, for a few seconds at most; `run` must have ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                waited = any(file.span.frozen for file in self._look())
                if await self.turn() and waited:
                    await self.turn()
        for file in self._files.values():
            if file:
                file.close()
        self._files = {}

    async def turn(self) -> bool:
        """Tell what was counted since the last turn, or what that could not tell; whether all is on record."""
        files = self._look()
        gone = [file for file in files if not file.alive]
        fresh = [file for file in files if not file.span.frozen]
        for file in fresh:
            _freeze(file, time.time())
        if any(file.alive for file in fresh):
            await asyncio.sleep(GRACE)
        told = [await self._report(file) for file in files]
        for file in gone:
            if file in fresh and not file.span.frozen:
                self._remove(file)
        return all(told)

    def _look(self) -> Sequence[TrafficFile]:
        for path in sorted(self._run_dir.glob(f"*/{PREFIX}*")):
            if path not in self._files:
                try:
                    file = TrafficFile.open(path)
                except (Invalid, OSError) as error:
                    log.warning("what was served cannot be read", file=path.name, reason=str(error))
                    self._files[path] = None
                else:
                    self._files |= {path: file} if file else {}
        return [file for file in self._files.values() if file]

    async def _report(self, file: TrafficFile) -> bool:
        span, now = file.span, time.time()
        lines = await asyncio.to_thread(_lines, file)
        if lines:
            report = TrafficReport(
                run=file.run,
                seq=span.seq,
                began=max(0.0, now - span.began),
                ended=max(0.0, now - span.frozen),
                lines=lines,
                entries=tuple(_entry(sample, now) for sample in islice(file.samples(), MOST_ENTRIES)),
            )
            if not await self._tell(report):
                return False
        file.empty()
        file.span = Span(span.seq, began=span.frozen)
        return True

    def _remove(self, file: TrafficFile) -> None:
        """Its process is gone, and all that it counted is told."""
        file.close()
        file.path.unlink(missing_ok=True)
        del self._files[file.path]


def _freeze(file: TrafficFile, now: float) -> None:
    """From now on requests are counted in the other half, which was emptied before."""
    span = file.span
    file.span = replace(span, seq=span.seq + 1, began=span.began or file.made, frozen=now)
    file.flip()


def _lines(file: TrafficFile) -> tuple[Line, ...]:
    counted = _fewer(file.figures())
    return tuple(
        Line(_DIMENSIONS[kind], service[:255], name[:255], counted[kind, service, name])
        for kind, service, name in sorted(counted)
    )


def _fewer(counted: Mapping[Name, Figures]) -> Mapping[Name, Figures]:
    """As many lines as may be told; the least of them as the others of their service, or of all."""
    for together in (_of_service, _of_all):
        if len(counted) <= MOST_LINES:
            break
        ranked = sorted(counted, key=lambda name: (-figures.requests(counted[name]), name))
        parts: dict[Name, list[Figures]] = {}
        for place, name in enumerate(ranked):
            parts.setdefault(name if place < MOST_LINES // 2 else together(name), []).append(counted[name])
        counted = {name: figures.total(each) for name, each in parts.items()}
    return counted


def _of_service(name: Name) -> Name:
    kind, service, _ = name
    return kind, service, OTHERS


def _of_all(name: Name) -> Name:
    return name[0], "", OTHERS


def _entry(sample: Sample, now: float) -> Entry:
    return Entry(
        seconds_ago=max(0.0, now - sample.at / 1e6),
        status=min(sample.status, 999),
        latency_us=sample.latency_us,
        bytes_in=sample.bytes_in,
        bytes_out=sample.bytes_out,
        service=sample.service[:255],
        route=sample.route[:255],
        consumer=sample.consumer[:255],
        method=sample.method[:255],
        host=sample.host,
        path=sample.path,
        upstream=sample.upstream,
        details=sample.details,
    )
