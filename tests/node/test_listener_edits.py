"""Edits of stream routes under a short drain time, where whatever Envoy drains is cut at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import pytest

from gatefleet.compile.compiler import Compiler
from gatefleet.envoy import binary
from gatefleet.native.build import MODULE
from gatefleet.node.bootstrap import RunFiles, envoy_bootstrap
from gatefleet.node.rebind import rebind
from gatefleet.node.serving import ENVOY_TYPES
from gatefleet.resources import Document
from gatefleet.snapshot import LISTENER, Snapshot
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import UNLIMITED
from tests.e2e import kit
from tests.e2e.served import service, stream_route

pytestmark = pytest.mark.anyio
DRAINED = 1
"""Seconds until Envoy cuts what it drains."""
PORT = 5400
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Proxy:
    """An Envoy that serves a group's stream listeners; whoever connects is echoed."""

    directory: Path
    offset: int
    upstream: int
    server: Server = field(default_factory=lambda: Server(stepwise=True, order=ENVOY_TYPES))
    compiler: Compiler = field(default_factory=Compiler)
    opened: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    async def put(self, *documents: Document, gone: tuple[tuple[str, str], ...] = ()) -> None:
        """Change the group, until Envoy has taken it."""
        whole = self.compiler.update(documents, gone)
        assert not whole.problems
        entries = {t: whole.snapshot.of(t) for t in ENVOY_TYPES}
        streams = {n: e for n, e in entries[LISTENER].items() if n.startswith("stream:")}
        entries[LISTENER] = {
            n: rebind(e, bind="127.0.0.1", offset=self.offset, directory=self.directory) for n, e in streams.items()
        }
        generation = self.server.publish("envoy", Snapshot(entries))
        assert await self.server.acknowledged("envoy", generation, types=(LISTENER,))
        assert not self.server.rejected("envoy")

    async def dial(self, source: str = "127.0.0.1") -> Line:
        line = await asyncio.open_connection("127.0.0.1", PORT + self.offset, local_addr=(source, 0))
        self.opened.append(line[1])
        return line


async def echoes(line: Line) -> bool:
    reader, writer = line
    with contextlib.suppress(ConnectionError):
        writer.write(b"still here?\n")  # enough to see that it is no TLS
        return await asyncio.wait_for(reader.readline(), 5) == b"still here?\n"
    return False


@pytest.fixture
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    files = RunFiles(tmp_path_factory.mktemp("d"))
    upstream = await asyncio.start_server(echo, "127.0.0.1", 0)
    found = Proxy(files.directory, kit.free_offset(), upstream.sockets[0].getsockname()[1])

    async def key_of(_: Context) -> str:
        return "envoy"

    listener = grpc.aio.server(options=UNLIMITED)
    listener.add_generic_rpc_handlers(found.server.handlers(key_of))
    listener.add_insecure_port(f"unix:{files.ads}")
    await listener.start()
    binary.write(envoy_bootstrap(files, "n"), files.bootstrap)
    environment = {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(MODULE.parent), "GATEFLEET_RUN_DIR": str(files.directory)}
    arguments = ("-c", str(files.bootstrap), "--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
    drain = ("--drain-time-s", str(DRAINED), "--drain-strategy", "immediate")
    envoy = await asyncio.create_subprocess_exec(
        str(binary.PATH), *arguments, *drain, cwd=files.directory, env=environment
    )
    yield found
    while found.opened:
        found.opened.pop().close()
    envoy.kill()
    await envoy.wait()
    await listener.stop(0)
    upstream.close()


async def test_no_edit_of_a_port_drains_the_connections_of_a_route_that_stays(proxy: Proxy) -> None:
    limit = {"limit-conn": {"conn": 9, "burst": 0, "default_conn_delay": 0.1, "key": "remote_addr"}}
    kept = service("s", proxy.upstream, scheme="tcp")
    await proxy.put(kept, stream_route("stays", "s", server_port=PORT))
    lines = [await proxy.dial()]
    for documents in (
        (stream_route("stays", "s", server_port=PORT, plugins=limit),),
        (stream_route("stays", "s", server_port=PORT, plugins={"ip-restriction": {"blacklist": ["127.0.0.9"]}}),),
        (stream_route("comes", "s", server_port=PORT, remote_addr="127.0.0.2"),),
        (stream_route("named", "s", server_port=PORT, sni="a.test"),),
        (service("s", proxy.upstream, scheme="tcp", upstream={"retries": 3}),),
    ):
        await proxy.put(*documents)
        lines.append(await proxy.dial())
    goes = await proxy.dial("127.0.0.2")
    assert [await echoes(line) for line in (*lines, goes)] == [True] * 7
    await proxy.put(gone=(("stream_routes", "comes"), ("stream_routes", "named")))
    await asyncio.sleep(DRAINED + 1)
    assert [await echoes(line) for line in lines] == [True] * 6
    assert not await echoes(goes)
