"""One supervised Envoy: started, restarted when it dies, drained and stopped.

It never outlives this process, unless it is given a place where the next process finds it: see `gatefleet.envoy.line`.
"""

import asyncio
import hashlib
import os
import signal
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import httpx
import structlog

from gatefleet.envoy.binary import PATH
from gatefleet.envoy.line import ALONE, Line, Note
from gatefleet.envoy.running import Running
from gatefleet.errors import Unreachable
from gatefleet.waiting import happens

log = structlog.stdlib.get_logger(__name__)

LONGEST_PAUSE: Final = 5.0
"""Seconds between restarts in a crash loop, at most; the first restart is at once."""
_STEADY: Final = 10.0
"""Seconds an Envoy has to live for its next death to count as the first."""
_HOPELESS: Final = 4
"""Starts without an answer after which the first start is given up."""
_QUIET: Final = 2.0
"""While draining: seconds without any request after which idle connections are not waited for."""
_LAST_QUIET: Final = 0.5
"""The same once no new connections are taken."""
_GRACE: Final = 5.0
"""Seconds that a replaced Envoy gets to end by itself once its time is over."""
_LOOK: Final = 0.1


_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Not used on a unix socket; httpx would load every public CA otherwise, which takes a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run one Envoy."""

    config: Path
    """Its bootstrap; `binary.write` makes one."""
    admin: Path
    """The unix socket of the admin interface, as the bootstrap names it."""
    cwd: Path
    """Its working directory; relative paths in the configuration start here."""
    concurrency: int = 0
    """Worker threads; 0: one per core."""
    log: Path | None = None
    """Where its log goes; None: this process's stderr."""
    log_level: str = "warning"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Added to this process's environment."""
    line: Line | None = None
    """When given, Envoy goes on if we are killed. Who starts in the same place takes it over as it is, if it was
    started with the same options and bootstrap; else by an Envoy that takes over its ports."""
    handover: float = 10.0
    """Seconds that an Envoy which is replaced so gets to finish its requests."""


class EnvoyProcess:
    """A child process that is kept alive between `start` and `stop`."""

    def __init__(self, options: Options) -> None:
        self.starts = 0
        """How often Envoy was started or taken over; rises with each restart."""
        self.last_exit = ""
        self._options = options
        self._process: Running | None = None
        self._before: Running | None = None
        self._epoch = 0
        """Which in the line of Envoys ours is, as long as one before it runs."""
        self._retiring: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(options.admin), verify=_NO_TLS),
            base_url="http://envoy",
            timeout=5,
        )

    @property
    def pid(self) -> int | None:
        """Process id, None while there is none."""
        return self._process.pid if self.alive and self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and not self._process.ended

    @property
    def replaces(self) -> int | None:
        """Process id of the Envoy whose ports this one takes over, as long as that runs."""
        return self._before.pid if self._before and not self._before.ended else None

    async def start(self, patience: float = 10.0) -> None:
        """Start and supervise; returns as soon as the admin interface answers.

        Unreachable with the end of Envoy's log when it does not within `patience` seconds; it is stopped then.
        """
        self._keeper = asyncio.create_task(self._keep())
        if await self._answers(patience):
            return
        reason = self.last_exit or "no answer"
        await self.stop(0)
        raise Unreachable(f"Envoy did not start: {reason}\n{self._log_end()}".rstrip())

    async def state(self) -> str:
        """LIVE once it serves, else PRE_INITIALIZING or INITIALIZING; empty when it does not answer."""
        with suppress(httpx.HTTPError, RuntimeError):  # RuntimeError: it was stopped, the client is closed
            return (await self._client.get("/ready")).text.strip()
        return ""

    async def ready(self, patience: float = 15.0) -> bool:
        """Whether it serves within `patience` seconds, with everything it waits for at start."""
        until = time.monotonic() + patience
        while (state := await self.state()) != "LIVE" and time.monotonic() < until:  # noqa: ASYNC110  (another process is polled)
            await asyncio.sleep(0.02)
        return state == "LIVE"

    async def _answers(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while time.monotonic() < until and self.starts < _HOPELESS:
            if await self.state():
                return True
            await asyncio.sleep(0.02)
        return False

    async def ask(self, path: str, *, method: str = "GET") -> httpx.Response:
        """One call of the admin interface, such as "/stats?format=json"; Unreachable when nobody answers."""
        try:
            return await self._client.request(method, path)
        except httpx.HTTPError as error:
            raise Unreachable(f"Envoy's admin interface does not answer: {error!r}") from error

    async def stop(self, drain: float) -> None:
        """Ask clients to leave, wait for connections to end for up to `drain` seconds, then end the process.

        The first half new connections are still taken, and closed after an answer: load balancers need a moment.
        """
        self._stopping.set()
        until = time.monotonic() + drain
        if drain > 0 and self.alive:
            with suppress(Unreachable):
                await self.ask("/drain_listeners?graceful&skip_exit", method="POST")
                await self._until_idle(until - drain / 2, quiet=_QUIET)
                await self.ask("/drain_listeners", method="POST")
                await self._until_idle(until, quiet=_LAST_QUIET)
        while self._keeper and not self._keeper.done():  # it may be starting a process just now
            await self._end(self._process)
            await asyncio.wait((self._keeper,), timeout=0.1)
        await self._client.aclose()

    async def leave_none(self) -> None:
        """After `stop`: end the Envoy that was being replaced, too, and remove what they leave in shared memory."""
        await self._end(self._before)
        if self._options.line:
            self._options.line.forget()

    async def _until_idle(self, until: float, *, quiet: float) -> None:
        """Until no connection is open, or none had a request for `quiet` seconds, or the clock says `until`."""
        quiet_since = time.monotonic()
        seen = -1
        while (now := time.monotonic()) < until and self.alive:
            connections, running, total = await self._load()
            if running or total != seen:
                seen, quiet_since = total, now
            if connections == 0 or now - quiet_since >= quiet:
                return
            await asyncio.sleep(0.05)

    async def _load(self) -> tuple[int, int, int]:
        """Open connections, running requests and all requests so far of every listener but the admin interface."""
        answer = await self.ask("/stats?format=json&filter=^http\\..*downstream_(cx_active|rq_active|rq_total)$")
        stats = [s for s in cast("dict[str, list[dict[str, Any]]]", answer.json())["stats"] if "name" in s]
        ours = [s for s in stats if not s["name"].startswith("http.admin.")]
        cx, active, total = (
            sum(int(s["value"]) for s in ours if s["name"].endswith(end))
            for end in ("cx_active", "rq_active", "rq_total")
        )
        return cx, active, total

    async def _end(self, process: Running | None) -> None:
        if process is None or process.ended:
            return
        for how, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            process.send(how)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await process.wait()
                return

    async def _keep(self) -> None:
        """Start again whenever it dies: at once, then after pauses that double while it keeps dying young."""
        pause = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            self.last_exit = await self._once()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            pause = 0.0 if lived > _STEADY else pause
            log.error("envoy died", how=self.last_exit, lived=round(lived, 1), starts_in=pause)
            await happens(self._stopping, pause)
            pause = min(LONGEST_PAUSE, pause * 2 or 0.1)

    async def _once(self) -> str:
        """One Envoy from its start, or from the moment it is taken over, to its end in words."""
        line = self._options.line
        self._process = (self._left(line) if line and self.starts == 0 else None) or self._started()
        self.starts += 1
        return await self._process.wait()

    def _left(self, line: Line) -> Running | None:
        """The Envoy that an earlier process left here, if it was started as ours would be; another one is replaced."""
        if (note := line.read()) is None:
            return None
        there, before = Running.found(note.birth), Running.found(note.before)
        same = there and note.purpose == self._purpose()
        self._epoch = note.epoch + 1 if there and not same else note.epoch
        if same:
            self._replace(before)
            return there
        before = there or before
        if before and (self._epoch <= 0 or not line.joins):  # it gives its ports to nobody
            before.send(signal.SIGKILL)
        else:
            self._replace(before)
        return None

    def _replace(self, before: Running | None) -> None:
        if before:
            self._before = before
            self._retiring = asyncio.create_task(self._retired(before), name="the envoy before")

    async def _retired(self, before: Running) -> None:
        """Wait for the end of the Envoy before: ours asks it to go some time after it has taken over."""
        ended = asyncio.create_task(before.wait())
        log.info("another envoy takes over", before=before.pid)
        while not before.ended and await self.state() != "LIVE":  # noqa: ASYNC110  (another process is polled)
            await asyncio.sleep(_LOOK)
        await asyncio.wait((ended,), timeout=self._options.handover + _GRACE)
        await self._end(before)
        log.info("the envoy before has ended", pid=before.pid)

    def _started(self) -> Running:
        o = self._options
        o.admin.unlink(missing_ok=True)
        epoch = self._epoch if self.replaces else 0
        more = o.line.options(epoch, o.handover) if o.line else ALONE
        process = Running.start(
            [*self._command(), *more], cwd=o.cwd, environment=o.environment, output=o.log, leashed=o.line is None
        )
        if o.line:
            before = self._before.birth if self._before and self.replaces else None
            o.line.write(Note(process.birth, self._purpose(), epoch if o.line.joins else -1, before))
        return process

    def _command(self) -> list[str]:
        o = self._options
        return [
            *(str(PATH), "-c", str(o.config), "--drain-strategy", "immediate"),
            *("--log-level", o.log_level, "--concurrency", str(o.concurrency or len(os.sched_getaffinity(0)))),
        ]

    def _purpose(self) -> str:
        parts = [*self._command(), *(f"{k}={v}" for k, v in sorted(self._options.environment.items()))]
        return hashlib.sha256("\0".join(parts).encode() + self._options.config.read_bytes()).hexdigest()

    def _log_end(self) -> str:
        if not self._options.log or not self._options.log.exists():
            return ""
        return "\n".join(self._options.log.read_text(errors="replace").splitlines()[-5:])
