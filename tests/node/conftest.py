"""A DP Manager's twin, nodes as processes, and an upstream that can be slow."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from gatefleet.compile.compiler import Compiler
from gatefleet.node.copies import DiskCopy
from gatefleet.pki import Pair
from gatefleet.resources import Document
from gatefleet.snapshot import Snapshot
from gatefleet.up import leash
from tests import buckets
from tests.e2e import kit
from tests.node.manager_twin import Twin

HOST = "node.test"


@dataclass
class Node:
    """A `gatefleet node` process on ports of its own."""

    directory: Path
    offset: int
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    def url(self, port: str, path: str) -> str:
        return f"http://127.0.0.1:{kit.PORTS[port] + self.offset}{path}"

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(self.url("http", path), headers={"host": HOST, **headers})

    async def status(self, path: str) -> httpx.Response:
        return await self.client.get(self.url("status", path))

    async def until(self, path: str, code: int, seconds: float = kit.PATIENCE, **headers: str) -> float:
        """Wait until a request through the gateway is answered by `code`; how long it took."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        while clock.time() - began < seconds:
            with contextlib.suppress(httpx.HTTPError):
                if (await self.get(path, **headers)).status_code == code:
                    return clock.time() - began
            await asyncio.sleep(0.02)
        raise AssertionError(f"{path} did not answer {code} in {seconds} s: {self.log()[-3000:]}")

    async def until_status(self, path: str, code: int, seconds: float = kit.PATIENCE) -> str:
        """Wait until a status page answers `code`; its body."""
        for _ in range(int(seconds / 0.05)):
            with contextlib.suppress(httpx.HTTPError):
                if (answer := await self.status(path)).status_code == code:
                    return answer.text
            await asyncio.sleep(0.05)
        raise AssertionError(f"{path} did not answer {code} in {seconds} s: {self.log()[-3000:]}")

    async def tells(self, path: str, words: str) -> str:
        """Wait until a status page says so, and 503; all that it says."""

        async def found() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                answer = await self.status(path)
                body.append(answer.text)
                return answer.status_code == 503 and words in answer.text
            return False

        body: list[str] = []
        assert await holds(found), f"{path} never told {words}: {body[-1:]} {self.log()[-3000:]}"
        return body[-1]

    async def said(self, words: str, times: int = 1) -> None:
        """Wait until its log says so, as often as that."""

        async def found() -> bool:
            return self.log().count(words) >= times

        assert await holds(found), f"never said: {words}\n{self.log()[-3000:]}"

    def log(self) -> str:
        return self.directory.with_suffix(".log").read_text()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 40)


@contextlib.asynccontextmanager
async def running(
    directory: Path, *arguments: str, offset: int | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Node]:
    """A node over `directory`, stopped at the end; `environment` is added to ours."""
    offset = kit.free_offset() if offset is None else offset
    command = ["node", "--data-dir", str(directory), "--port-offset", str(offset), "--bind", "127.0.0.1"]
    options = ["--envoy-concurrency", "1", "--drain-timeout", "5"]
    leashed = [sys.executable, leash.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1"]
    with directory.with_suffix(".log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *leashed,
            str(kit.GATEFLEET),
            *command,
            *options,
            *arguments,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    anew = httpx.Limits(max_keepalive_connections=0)  # a connection that is kept would be waited for at the end
    async with httpx.AsyncClient(timeout=30, limits=anew, verify=False) as client:  # noqa: S501 - it speaks no TLS
        node = Node(directory, offset, process, client)
        try:
            yield node
        finally:
            await node.stop()


async def kept(directory: Path, revision: int, group: str = "default") -> None:
    """Wait until a node has this revision on its disk: only what every worker was seen to serve gets there."""

    async def held() -> bool:
        return DiskCopy(directory).floor(group) >= revision

    assert await holds(held), f"revision {revision} is not on the disk: {directory}"


async def holds(check: Callable[[], Awaitable[bool]], seconds: float = kit.PATIENCE) -> bool:
    """Whether `check` says yes within that time."""
    for _ in range(int(seconds / 0.02)):
        if await check():
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with buckets.s3() as url:
        yield url


@pytest.fixture
async def twin() -> AsyncIterator[Twin]:
    twin = Twin()
    await twin.start()
    yield twin
    await twin.stop()


@pytest.fixture
def directory(tmp_path: Path, twin: Twin) -> Path:
    """A node's data directory, and its join bundle beside it."""
    (tmp_path / "bundle.json").write_bytes(twin.bundle().to_json())
    return tmp_path / "node"


@dataclass
class Slow:
    """An upstream that answers /wait when it is told to, anything else at once."""

    port: int = 0
    asked: int = 0
    """Requests of /wait so far."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/wait" in head:
                    self.asked += 1
                    await self.go_on.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        writer.close()

    async def waits_for(self, requests: int) -> None:
        """Until so many requests of /wait have come."""

        async def come() -> bool:
            return self.asked >= requests

        assert await holds(come)


@pytest.fixture
async def upstream() -> AsyncIterator[Slow]:
    found = Slow()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    found.go_on.set()
    server.close()


@pytest.fixture
def slow(upstream: Slow) -> int:
    """The port of an upstream that answers."""
    return upstream.port


def content(
    upstream: int,
    *paths: str,
    keys: tuple[str, ...] = (),
    hosts: tuple[str, ...] = (HOST,),
    certificates: Mapping[str, Pair] = MappingProxyType({}),
) -> Snapshot:
    """What a group with these routes holds; with `keys`, each is a consumer's and every route asks for one.

    `certificates`: server name to certificate and key.
    """
    nodes = [{"host": "127.0.0.1", "port": upstream, "weight": 1}]
    service = {"name": "s", "hosts": list(hosts), "upstream": {"type": "roundrobin", "scheme": "http", "nodes": nodes}}
    plugins = {"prometheus": {}, **({"key-auth": {}} if keys else {})}
    documents = [Document("services", "s", None, service)]
    for number, path in enumerate(paths):
        route = {"name": f"r{number}", "paths": [path], "service_id": "s", "plugins": plugins}
        documents.append(Document("routes", f"r{number}", "s", route))
    for key in keys:
        documents.append(Document("consumers", key, None, {"username": key}))
        documents.append(Document("credentials", key, key, {"name": key, "plugins": {"key-auth": {"key": key}}}))
    for number, (name, pair) in enumerate(certificates.items()):
        body = {"snis": [name], "cert": pair.certificate, "key": pair.key}
        documents.append(Document("ssls", f"ssl{number}", None, body))
    compiled = Compiler().update(documents)
    assert not compiled.problems
    return compiled.snapshot
