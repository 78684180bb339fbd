"""Tries a request for somebody who wants to see where it goes: makes it of the node's own Envoy, and tells of it.

The request comes over loopback, as any other. What Envoy knows of it - its route, its consumer, who has answered - the
native module shows for the one connection whose port is watched; `native/traffic_file.c` says how.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import h11
import msgspec
import structlog

from gatefleet.errors import Invalid
from gatefleet.fleet import RequestTest, Tested
from gatefleet.native.traffic import PREFIX, Sample, TrafficFile
from gatefleet.settings import NodeSettings

log = structlog.get_logger()

PORTS: Final = {"http": 9080, "https": 9443}
SECONDS: Final = 15.0
"""That an answer may take."""
SHOWN: Final = 3.0
"""Seconds after an answer in which Envoy has told what it knows of it."""
LOOK: Final = 0.005
MOST_BODY: Final = 65_536
"""Bytes of an answer's body that are told."""
MOST_HEADERS: Final = 128 * 1024
MOST_WAITING: Final = 16
"""Requests that wait for their turn; more are not made."""
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what Envoy listens on)
Pairs = tuple[tuple[str, str], ...]


class Tester:
    """Makes the requests that are ordered, one after the other."""

    def __init__(
        self,
        run_dir: Path,
        settings: NodeSettings,
        revision: Callable[[], int],
        tell: Callable[[Tested], Awaitable[None]],
    ) -> None:
        """`run_dir` has a directory for each Envoy; `revision` is the one that is proven to be served."""
        self._run_dir, self._revision, self._tell = run_dir, revision, tell
        self._address = ANYWHERE.get(settings.bind, settings.bind)
        self._offset = settings.port_offset
        self._orders: asyncio.Queue[RequestTest] = asyncio.Queue(MOST_WAITING)

    def order(self, wanted: RequestTest) -> None:
        """Have a request made soon."""
        try:
            self._orders.put_nowait(wanted)
        except asyncio.QueueFull:
            log.warning("a request to try finds no place: too many wait")

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            wanted = await self._orders.get()
            try:
                tested = await self._tried(wanted)
            except Exception:  # the node serves whatever becomes of such a request
                log.exception("a request could not be tried")
                tested = Tested(wanted.id, reason="the node's agent failed; its log tells more")
            await self._tell(tested)

    async def _tried(self, wanted: RequestTest) -> Tested:
        tested = Tested(wanted.id, revision=self._revision())
        began, answer = time.monotonic(), Answer()
        with contextlib.closing(_bound(self._address)) as own, Watched(self._run_dir, own.getsockname()[1]) as watched:
            try:
                async with asyncio.timeout(SECONDS), self._connected(own, wanted) as streams:
                    await exchange(wanted, *streams, answer)
            except TimeoutError:
                answer.reason = f"it was not over after {SECONDS:.0f} seconds"
            except (OSError, h11.ProtocolError) as error:
                answer.reason = f"{type(error).__name__}: {error}"[:500]
            seconds = round(time.monotonic() - began, 4)
            with contextlib.suppress(
                OSError
            ):  # what is not over ends now; the port stays ours until Envoy has told of it
                own.shutdown(socket.SHUT_RDWR)
            sample = await watched.sample() if answer.asked else None
        tested = msgspec.structs.replace(tested, **answer.told, seconds=seconds)
        return told_by(sample, tested) if sample else unseen(tested)

    @contextlib.asynccontextmanager
    async def _connected(
        self, own: socket.socket, wanted: RequestTest
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection from `own` to Envoy's listener for the scheme."""
        place = self._address, PORTS[wanted.scheme] + self._offset
        await asyncio.get_running_loop().sock_connect(own, place)
        name = wanted.host.rpartition(":")[0] or wanted.host
        given: dict[str, Any] = {"ssl": _anybody(), "server_hostname": name} if wanted.scheme == "https" else {}
        reader, writer = await asyncio.open_connection(sock=own.dup(), **given)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@dataclass(slots=True)
class Answer:
    """What came of a request so far."""

    asked: bool = False
    """The request has gone out."""
    status: int = 0
    headers: Pairs = ()
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    reason: str = ""

    @property
    def told(self) -> dict[str, Any]:
        if not self.status:
            return {"reason": self.reason or "Envoy closed the connection without an answer"}
        return {
            "reason": self.reason,
            "status": self.status,
            "headers": self.headers,
            "body": bytes(self.body[:MOST_BODY]),
            "truncated": not self.whole or len(self.body) > MOST_BODY,
        }


async def exchange(
    wanted: RequestTest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    """Send the request and take its answer, as much of it as is told. Raises h11.ProtocolError, OSError."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEADERS)
    request = h11.Request(method=wanted.method, target=wanted.target, headers=_headers(wanted))
    sent = (request, *([h11.Data(wanted.body)] if wanted.body else []), h11.EndOfMessage())
    writer.write(b"".join(connection.send(event) or b"" for event in sent))
    answer.asked = True
    await writer.drain()
    while len(answer.body) <= MOST_BODY:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(MOST_BODY))
            case h11.Response() as head:
                answer.status = head.status_code
                answer.headers = tuple((_text(name), _text(value)) for name, value in head.headers.raw_items())
            case h11.Data(data=data):
                answer.body += data
            case h11.EndOfMessage():
                answer.whole = True
                return
            case h11.InformationalResponse():
                pass
            case _:  # the connection is closed
                return


def _headers(wanted: RequestTest) -> list[tuple[bytes, bytes]]:
    """Each as it was asked for, whose connection is closed behind the answer."""
    own = [("host", wanted.host), *wanted.headers, ("connection", "close")]
    if wanted.body or wanted.method in {"POST", "PUT", "PATCH"}:
        own.append(("content-length", str(len(wanted.body))))
    return [(name.encode(), value.encode()) for name, value in own]


class Watched:
    """The request that comes from a port, watched for in every Envoy: two of them serve while one follows the other."""

    def __init__(self, run_dir: Path, port: int) -> None:
        self._files = list(_files(run_dir))
        self._before = [file.watch(port) for file in self._files]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.watch(0)
            file.close()

    async def sample(self) -> Sample | None:
        """What is shown; None if it is nothing within `SHOWN` seconds."""
        until = time.monotonic() + SHOWN
        while time.monotonic() < until:
            for file, before in zip(self._files, self._before, strict=True):
                if sample := file.shown(before):
                    return sample
            await asyncio.sleep(LOOK)
        return None


def told_by(sample: Sample, tested: Tested) -> Tested:
    """With what Envoy knows of it."""
    return msgspec.structs.replace(
        tested,
        seen=True,
        service=sample.service[:255],
        route=sample.route[:255],
        consumer=sample.consumer[:255],
        upstream=sample.upstream[:600],
        details=sample.details[:600],
        plugin=sample.plugin[:255],
    )


def unseen(tested: Tested) -> Tested:
    """With the reason why nothing is known of it, if there is no other."""
    reason = tested.reason or "Envoy did not tell what it did with the request: it may run an older build of the module"
    return msgspec.structs.replace(tested, reason=reason)


def _files(run_dir: Path) -> Sequence[TrafficFile]:
    found: list[TrafficFile] = []
    for path in run_dir.glob(f"*/{PREFIX}*"):
        with contextlib.suppress(Invalid, OSError):
            if file := TrafficFile.open(path):
                found.append(file)
    return [file for file in found if file.alive]


def _bound(address: str) -> socket.socket:
    """A socket that has its port before it is connected."""
    own = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    own.settimeout(0)
    own.bind((address, 0))
    return own


def _anybody() -> ssl.SSLContext:
    """TLS with our own Envoy, whatever certificate it shows: others' clients judge that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _text(given: bytes) -> str:
    """Of a header; PostgreSQL takes no NUL."""
    return given.decode(errors="replace").replace("\0", "")
