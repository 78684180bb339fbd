"""Child processes that are started again when they die, and die with us."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

BACKOFF: Final = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before the first, second ... restart; a child that lived for `SETTLED` seconds starts over."""
SETTLED: Final = 20.0
PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass(frozen=True, slots=True)
class User:
    """Who a child runs as; -1: as ourselves."""

    uid: int = -1
    gid: int = -1


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `stop` ends it in good order; `death` is what it gets when we are killed."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    stop: signal.Signals = signal.SIGTERM
    death: signal.Signals = signal.SIGTERM
    user: User = field(default_factory=User)
    patience: float = 12.0
    """Seconds it gets after `stop` before it is killed."""


async def spawn(program: Program) -> asyncio.subprocess.Process:
    """Start `program` in a session of its own, leashed to us: when we die it gets `death`."""
    leash = Path(__file__).with_name("leash.py")
    limits = [os.getpid(), int(program.death), program.user.uid, program.user.gid]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", leash, *map(str, limits), *program.command,
        env={**os.environ, **program.environment}, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
        cwd="/" if program.user.uid >= 0 else None,
    )  # fmt: skip


class Supervised:
    """One program that is kept running until it is stopped; `before` is done before each of its starts."""

    def __init__(self, program: Program, before: Callable[[], Awaitable[None]] | None = None) -> None:
        self.program = program
        self._before = before
        self.last_code: int | None = None
        """How it ended the last time: an exit code, or minus a signal's number."""
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self) -> None:
        self._process = await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.program.name}")

    async def stop(self) -> None:
        """End it in good order, or by SIGKILL when it takes longer than its patience."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            _signal(self._process, self.program.stop)
            try:
                async with asyncio.timeout(self.program.patience):
                    await self._process.wait()
            except TimeoutError:
                log.warning(
                    "did not stop in time and is killed", child=self.program.name, seconds=self.program.patience
                )
                _signal(self._process, signal.SIGKILL)
                await self._process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        deaths = 0
        while self._process is not None:
            born = time.monotonic()
            code = self.last_code = await self._process.wait()
            if self._stopping:
                return
            deaths = 0 if time.monotonic() - born > SETTLED else deaths
            pause = BACKOFF[min(deaths, len(BACKOFF) - 1)]
            log.warning("ended and is started again", child=self.program.name, how=_told(code), pause=pause)
            await asyncio.sleep(pause)
            deaths += 1
            self._process = await self._spawn()

    async def _spawn(self) -> asyncio.subprocess.Process:
        if self._before:
            await self._before()
        return await spawn(self.program)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def adopt_orphans() -> None:
    """Make grandchildren whose parent died our children, so that nothing can slip away."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans(known: set[int]) -> list[int]:
    """Our child processes that are not in `known`; those that ended are reaped on the way."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if pid not in known and not _reaped(pid)]


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


async def sweep(known: set[int], patience: float = 2.0) -> None:
    """End every orphan we adopted: SIGTERM, then SIGKILL after `patience` seconds."""
    ends = time.monotonic() + patience
    for pid in orphans(known):
        _kill(pid, signal.SIGTERM)
    while left := orphans(known):
        if time.monotonic() > ends:
            for pid in left:
                _kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.05)


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
