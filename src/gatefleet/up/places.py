"""What `gatefleet up` needs of the machine before it starts: a data directory of its own and free ports."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatefleet import VERSION
from gatefleet.errors import Conflict, Invalid
from gatefleet.files import write_private

FORMAT: Final = 1
"""Layout of the data directory; raised when an older Gatefleet could not read it any more."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port `gatefleet up` listens on, and who needs it."""

    number: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A data directory that is ours while we run."""

    directory: Path
    abandoned: bool
    """The last `up` on it was killed: what it started may still be on its way out."""


@contextlib.contextmanager
def data_directory(path: Path) -> Generator[Claimed]:
    """`path`, created, locked against a second `up` and checked to be of our version or older.

    Raises Invalid when it cannot be written or is newer, Conflict when another `up` runs on it.
    """
    directory = path.resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Invalid(
            f"cannot write to the data directory [{directory}]: {error.strerror}; choose another with --data-dir"
        ) from error
    try:
        abandoned = _lock(lock, directory)
        _check_version(directory)
        yield Claimed(directory, abandoned)
        os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _lock(lock: int, directory: Path) -> bool:
    """Take the lock and write who we are; whether the last owner had no time to wipe that."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip() or "?"
        raise Conflict(
            f"another `gatefleet up` (process {owner}) runs on [{directory}]: "
            "stop it, or choose --data-dir and --port-offset for a second one"
        ) from error
    abandoned = os.fstat(lock).st_size > 0
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return abandoned


def _check_version(directory: Path) -> None:
    file = directory / "gatefleet.json"
    if file.exists():
        try:
            found = json.loads(file.read_text())
            layout, version = int(found["format"]), str(found["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"[{file}] is damaged: restore it, or choose another --data-dir") from error
        if layout > FORMAT or _numbers(version) > _numbers(VERSION):
            raise Invalid(
                f"the data directory [{directory}] was written by Gatefleet {version}, this is {VERSION}: "
                f"install {version} or newer, or choose another --data-dir"
            )
    write_private(file, json.dumps({"format": FORMAT, "version": VERSION}))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def check_ports(bind: str, ports: Sequence[Port], patience: float = 0.0) -> None:
    """Raises Conflict, which names every port that someone else still listens on after `patience` seconds."""
    until = time.monotonic() + patience
    while (taken := [p for p in ports if not _is_free(bind, p.number)]) and time.monotonic() < until:
        time.sleep(0.1)
    if taken:
        told = ", ".join(f"{p.number} ({p.purpose})" for p in taken)
        raise Conflict(
            f"port{'s' if len(taken) > 1 else ''} in use on {bind}: {told}; "
            "stop what listens there, or move all our ports with --port-offset, for example --port-offset 10000"
        )


def _is_free(bind: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise Invalid(
                f"cannot listen on [{bind}] port {port}: {error.strerror}; choose another --bind or --port-offset"
            ) from error
        except OverflowError as error:
            raise Invalid(f"port {port} is out of range: choose a smaller --port-offset") from error
    return True
