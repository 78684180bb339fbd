"""A process known by its number and its birth, whoever started it: our own child, or one an earlier process left."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

# Linux signals the child when its parent is gone (prctl(2), PR_SET_PDEATHSIG = 1). It is asked for in a small process
# that then becomes the program, because a function run between fork and exec is not safe beside gRPC's threads.
_LAUNCH: Final = """
import ctypes, os, resource, sys
parent, death, cwd = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if death:
    ctypes.CDLL(None).prctl(1, death)
    if os.getppid() != parent: sys.exit(0)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.chdir(cwd)
os.execv(sys.argv[4], sys.argv[4:])
"""


class Birth(msgspec.Struct, frozen=True):
    """What tells a process from any later one with the same number."""

    pid: int
    began: int
    """Clock ticks after boot, field 22 of /proc/<pid>/stat (proc(5))."""


class Running:
    """A process that runs, or ran: `wait` for its end, `send` it signals."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended = False
        self.how = ""
        """How it ended."""
        self._fd = os.pidfd_open(pid)
        self._over: asyncio.Event | None = None

    async def wait(self) -> str:
        """Its end in words; "gone" when it was not our child, for then the kernel does not tell."""
        if not self.ended:
            if self._over is None:
                self._over = asyncio.Event()
                asyncio.get_running_loop().add_reader(self._fd, self._reap)
            await self._over.wait()
        return self.how

    def send(self, number: signal.Signals) -> None:
        if not self.ended:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def _reap(self) -> None:
        self.ended, self.how = True, "gone"
        with suppress(ChildProcessError):
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, os.WNOHANG)[1])
            self.how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        self._forget()
        if self._over:
            self._over.set()

    def _forget(self) -> None:
        if self._over:
            asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    @classmethod
    def start(
        cls, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], output: Path | None, leashed: bool
    ) -> Self:
        """Start a program in a session of its own; `leashed`: it is killed when we die.

        Our own settings stay with us: what is in there (tokens, passwords) is nothing for scripts inside Envoy.
        """
        death = int(signal.SIGKILL) if leashed else 0
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(death), str(cwd)]
        files: list[tuple[int, int, str, int, int]] = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        if output:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            files += [(os.POSIX_SPAWN_OPEN, fd, str(output), flags, 0o600) for fd in (1, 2)]
        pid = os.posix_spawn(
            sys.executable, [*launcher, *command], {**_public(), **environment},
            file_actions=files, setsid=True, setsigdef=[signal.SIGPIPE],
        )  # fmt: skip
        return cls(pid)

    @classmethod
    def found(cls, birth: Birth | None) -> Self | None:
        """The process that was born so, when it still runs."""
        if birth is None:
            return None
        try:
            found = cls(birth.pid)
        except OSError:
            return None
        if _began(birth.pid) == birth.began:
            return found
        found._forget()
        return None

    @property
    def birth(self) -> Birth:
        """What `found` needs."""
        return Birth(self.pid, _began(self.pid))


def _public() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEFLEET_")}


def _began(pid: int) -> int:
    """When `pid` began; 0 when there is no such process, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])
