"""The sign-in process beside Envoy: started with the first configuration that asks it something, and kept alive."""

import asyncio
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Final

import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gatefleet.envoy.running import Running
from gatefleet.files import write_private
from gatefleet.node.bootstrap import SIGNIN_CLUSTER, RunFiles
from gatefleet.snapshot import SCRIPT, Snapshot
from gatefleet.waiting import happens

log = structlog.get_logger()

LONGEST_PAUSE: Final = 5.0
"""Seconds between restarts in a crash loop, at most; the first restart is at once."""
_STEADY: Final = 10.0
"""Seconds a process has to live for its next death to count as the first."""
PATIENCE: Final = 10.0
"""Seconds it gets to listen before the configuration is served all the same; what asks it is refused until it does."""


class SignIn:
    """The process that scripts ask through `SIGNIN_CLUSTER`: it dies with us, and is started again when it dies.

    It connects to none of the networks `denied`.
    """

    def __init__(self, files: RunFiles, log_format: str, denied: Iterable[str]) -> None:
        self.starts = 0
        self._files, self._format, self._denied = files, log_format, ",".join(denied)
        self._process: Running | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def problem(self) -> str:
        """Why sign-in does not work at the moment; empty when it does, or nothing asks for it."""
        if self._keeper is None or (self._process and not self._process.ended):
            return ""
        return f"the sign-in process has ended: {self._process.how if self._process else 'it was never started'}"

    async def follow(self, snapshot: Snapshot, group_key: bytes) -> None:
        """Start it, if a script of `snapshot` asks it; returns once it listens, or after `PATIENCE` seconds.

        Sessions are sealed with a key that follows from the group's, so that every node of the group reads them.
        """
        if self._keeper is not None or not wanted(snapshot):
            return
        derived = HKDF(SHA256(), 32, salt=None, info=b"gatefleet sign-in").derive(group_key)
        write_private(self._files.signin_key, derived)
        self._keeper = asyncio.create_task(self._keep(), name="sign-in")
        until = time.monotonic() + PATIENCE
        while not await _listens(self._files.signin) and time.monotonic() < until:  # noqa: ASYNC110  (another process is polled)
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End it."""
        self._stopping.set()
        while self._keeper and not self._keeper.done():  # it may be starting a process just now
            for number in (SIGTERM, SIGKILL):
                if self._process:
                    self._process.send(number)
                await asyncio.wait((self._keeper,), timeout=1.0)

    async def _keep(self) -> None:
        """Start again whenever it dies: at once, then after pauses that double while it keeps dying young."""
        pause = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            self._process = self._started()
            self.starts += 1
            how = await self._process.wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            pause = 0.0 if lived > _STEADY else pause
            log.error("the sign-in process died", how=how, lived=round(lived, 1), starts_in=pause)
            await happens(self._stopping, pause)
            pause = min(LONGEST_PAUSE, pause * 2 or 0.1)

    def _started(self) -> Running:
        f = self._files
        arguments = [str(f.signin), str(f.signin_key), self._format, self._denied]
        command = [sys.executable, "-m", "gatefleet.signin", *arguments]
        return Running.start(command, cwd=f.directory, environment={}, output=None, leashed=True)


def wanted(snapshot: Snapshot) -> bool:
    """Whether some script of `snapshot` asks the sign-in process."""
    name = SIGNIN_CLUSTER.encode()
    return any(name in script.body for script in snapshot.of(SCRIPT).values())


async def _listens(socket: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    writer.close()
    return True
