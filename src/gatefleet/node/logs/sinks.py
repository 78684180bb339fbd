"""Where log entries go. A new kind is a class with `send` and a line in SINKS."""

import asyncio
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from gatefleet.errors import Unreachable

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """Where files of users may be."""

    relative: Path
    """What relative paths start from."""
    below: Path
    """The directory that holds all of them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """When entries are sent together, and how often it is tried. Times in seconds."""

    size: int
    inactive: float
    duration: float
    retries: int
    delay: float
    pending: int


class Sink(Protocol):
    """Somebody who takes entries, each of them JSON."""

    batch: Batch

    async def send(self, entries: Sequence[bytes]) -> None:
        """Hand them over, all or none; Unreachable when they were not taken, and may be later."""
        ...

    async def close(self) -> None: ...


class Http:
    """An HTTP server that takes batches by POST."""

    def __init__(self, config: Json, _: Places) -> None:
        self.batch = Batch(**config["batch"])
        self._lines: bool = config["lines"]
        self._uri: str = config["uri"]
        kind = "text/plain" if self._lines else "application/json"
        self._headers = {"content-type": kind, "user-agent": "gatefleet"}
        if config["authorization"]:
            self._headers["authorization"] = config["authorization"]
        verify = _trust() if config["verify"] else _no_trust()
        self._client = httpx.AsyncClient(verify=verify, timeout=config["timeout"], trust_env=False)

    async def send(self, entries: Sequence[bytes]) -> None:
        body = b"\n".join(entries) if self._lines else b"[" + b",".join(entries) + b"]"
        if self.batch.size == 1:
            body = entries[0]
        try:
            answer = await self._client.post(self._uri, content=body, headers=self._headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if answer.status_code >= 400:
            raise Unreachable(f"it answered {answer.status_code}")

    async def close(self) -> None:
        await self._client.aclose()


class File:
    """A file that grows by a line per entry; opened anew each time, so that it may be moved away."""

    batch = Batch(size=10_000, inactive=0, duration=0, retries=0, delay=0, pending=100_000)

    def __init__(self, config: Json, places: Places) -> None:
        self._path = (places.relative / config["path"]).absolute()
        self._below = places.below.resolve()

    async def send(self, entries: Sequence[bytes]) -> None:
        await asyncio.to_thread(self._write, b"\n".join((*entries, b"")))

    def _write(self, lines: bytes) -> None:
        try:
            with open(self._file(), "ab", buffering=0) as out:  # noqa: PTH123  (a descriptor, for its flags)
                out.write(lines)
        except OSError as error:
            raise Unreachable(f"cannot write [{self._path}]: {error.strerror}") from error

    def _file(self) -> int:
        """A descriptor of the file itself: of no link, and of nothing that could make us wait."""
        if not self._path.parent.resolve().is_relative_to(self._below):
            raise Unreachable(f"[{self._path}] is not below [{self._below}], where --log-files of the node wants files")
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        return os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o640
        )

    async def close(self) -> None:
        """Nothing stays open."""


@cache
def _trust() -> ssl.SSLContext:
    """The machine's certificate authorities, read once."""
    return ssl.create_default_context()


@cache
def _no_trust() -> ssl.SSLContext:
    """For servers that users do not want checked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


SINKS: Final = {"http": Http, "file": File}
"""The kinds of sinks, as configurations name them."""
