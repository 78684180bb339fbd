"""Stream routes on a real node: who is let in, where connections go, and which changes they survive."""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatefleet import pki
from gatefleet.resources import Document
from tests.e2e.served import Served, service, serving, stream_route
from tests.node.conftest import holds

pytestmark = pytest.mark.anyio
PORT = 5400
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
LIMIT: dict[str, Any] = {"burst": 0, "default_conn_delay": 0.1, "key": "remote_addr"}


OPENED: list[asyncio.StreamWriter] = []
"""Closed at the end of each test."""


@dataclass
class Line:
    """One open connection through the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hears(self, seconds: float = 30) -> str:
        """The next line; empty when the connection was closed."""
        with contextlib.suppress(ConnectionError):
            return (await asyncio.wait_for(self.reader.readline(), seconds)).decode().strip()
        return ""

    async def says(self, word: str) -> str:
        """What comes back for a line; empty when the connection was closed."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(word.encode() + b"\n")
            return await self.hears()
        return ""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass
class Upstream:
    """Greets with its name, as many protocols do, and echoes lines; over TLS it says which name was asked for."""

    name: str
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            writer.write(f"{self.name}\n".encode())
            while line := await reader.readline():
                writer.write(b"echo " + line)
        writer.close()


@contextlib.asynccontextmanager
async def upstream(name: str, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Upstream]:
    found = Upstream(name)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, one_event_loop: None) -> AsyncIterator[Served]:
    del one_event_loop
    async with serving(tmp_path_factory.mktemp("streams")) as found:
        yield found


@pytest.fixture
async def one() -> AsyncIterator[int]:
    async with upstream("one") as found:
        yield found.port


@pytest.fixture
async def two() -> AsyncIterator[int]:
    async with upstream("two") as found:
        yield found.port


@pytest.fixture(autouse=True)
async def nothing_left(gateway: Served) -> AsyncIterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()
    await gateway.restart(("stream_routes", "services", "ssls"))


async def dial(gateway: Served, port: int = PORT, source: str = "127.0.0.1", name: str | None = None) -> Line:
    """A connection to a stream port from an address of this machine; over TLS if a server name is given."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls: dict[str, Any] = {"ssl": context, "server_hostname": name} if name else {}
    line = Line(*await asyncio.open_connection("127.0.0.1", gateway.port(port), local_addr=(source, 0), **tls))
    OPENED.append(line.writer)
    return line


async def greeting(gateway: Served, port: int = PORT, source: str = "127.0.0.1", name: str | None = None) -> str:
    """What a new connection hears first; empty when it is closed."""
    try:
        line = await dial(gateway, port, source, name)
    except (ConnectionError, ssl.SSLError):
        return ""
    try:
        return await line.hears()
    except ssl.SSLError:
        return ""
    finally:
        line.writer.close()


async def test_edits_of_nodes_plugins_and_neighbours_leave_open_connections_alone(
    gateway: Served, one: int, two: int
) -> None:
    await gateway.put(service("s", one, scheme="tcp"), stream_route("r", "s", server_port=PORT))
    line = await dial(gateway)
    assert await line.hears() == "one"
    edits: list[tuple[str, tuple[Document, ...]]] = [
        ("nodes", (service("s", two, scheme="tcp"),)),
        ("plugins", (stream_route("r", "s", server_port=PORT, plugins={"ip-restriction": {"blacklist": ["::1"]}}),)),
        ("a limit", (stream_route("r", "s", server_port=PORT, plugins={"limit-conn": {"conn": 5, **LIMIT}}),)),
        ("a neighbour", (stream_route("q", "s", server_port=PORT, remote_addr="127.0.0.2"),)),
        ("a server name", (stream_route("n", "s", server_port=PORT, sni="a.test"),)),
        ("the service", (service("s", two, scheme="tcp", upstream={"timeout": {"connect": 1, "send": 9, "read": 9}}),)),
    ]
    for what, documents in edits:
        assert await gateway.put(*documents) == {}
        assert await line.says(what) == f"echo {what}"
    await gateway.put(gone=(("stream_routes", "q"), ("stream_routes", "n")))
    assert await line.says("gone") == "echo gone"
    assert await greeting(gateway) == "two"
    await line.close()


async def test_the_most_specific_route_of_a_port_takes_a_connection(gateway: Served, one: int, two: int) -> None:
    await gateway.put(
        service("s", one, scheme="tcp"),
        service("t", two, scheme="tcp"),
        stream_route("wide", "s", server_port=PORT, remote_addr="127.0.0.0/8"),
        stream_route("narrow", "t", server_port=PORT, remote_addr="127.0.0.2"),
        stream_route("elsewhere", "t", server_port=PORT, remote_addr="127.0.0.3", server_addr="192.0.2.1"),
        stream_route("anywhere", "t", remote_addr="127.0.0.4"),
    )
    found = {source: await greeting(gateway, source=source) for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3")}
    assert found == {"127.0.0.1": "one", "127.0.0.2": "two", "127.0.0.3": "one"}
    assert await greeting(gateway, source="127.0.0.4") == "two"
    await gateway.put(gone=(("stream_routes", "wide"),))
    assert await greeting(gateway) == ""


async def test_addresses_that_may_not_connect_hear_nothing_and_fall_to_no_other_route(
    gateway: Served, one: int, two: int
) -> None:
    await gateway.put(
        service("s", one, scheme="tcp"),
        service("t", two, scheme="tcp"),
        stream_route("open", "t", server_port=PORT),
        stream_route(
            "guarded", "s", server_port=PORT, remote_addr="127.0.0.0/8",
            plugins={"ip-restriction": {"whitelist": ["127.0.0.2", "10.0.0.0/8"]}},
        ),
    )  # fmt: skip
    assert await greeting(gateway, source="127.0.0.2") == "one"
    assert await greeting(gateway, source="127.0.0.1") == ""


async def test_only_so_many_connections_per_address_are_open_at_once(gateway: Served, one: int) -> None:
    limited = {"limit-conn": {"conn": 2, **LIMIT}}
    await gateway.put(service("s", one, scheme="tcp"), stream_route("r", "s", server_port=PORT, plugins=limited))
    lines = [await dial(gateway) for _ in range(2)]
    assert [await line.hears() for line in lines] == ["one", "one"]
    assert await greeting(gateway) == ""
    assert await greeting(gateway, source="127.0.0.2") == "one"
    raised = {"limit-conn": {"conn": 3, **LIMIT}}
    await gateway.put(stream_route("r", "s", server_port=PORT, plugins=raised))
    third = await dial(gateway)
    assert await third.hears() == "one"
    assert await greeting(gateway) == ""
    lines[0].writer.transport.abort()  # without a word, as a client that dies

    async def free_again() -> bool:
        return await greeting(gateway) == "one"

    assert await holds(free_again)


async def test_connections_are_shared_out_by_weight(gateway: Served, one: int, two: int) -> None:
    other = {"type": "roundrobin", "nodes": [{"host": "127.0.0.1", "port": two, "weight": 1}]}

    def split(*shares: dict[str, Any]) -> Document:
        return stream_route(
            "r", "s", server_port=PORT, plugins={"traffic-split": {"rules": [{"weighted_upstreams": list(shares)}]}}
        )

    await gateway.put(service("s", one, scheme="tcp"), split({"upstream": other, "weight": 1}, {"weight": 1}))
    heard = [await greeting(gateway) for _ in range(40)]
    assert {word: 5 < heard.count(word) < 35 for word in ("one", "two")} == {"one": True, "two": True}
    extra = Document("upstreams", "canary", "s", {"name": "canary", "scheme": "tcp", **other})
    await gateway.put(extra, split({"upstream_id": "canary", "weight": 1}, {"weight": 0}))
    assert {await greeting(gateway) for _ in range(10)} == {"two"}


async def test_a_port_that_is_taken_is_a_problem_of_its_own_and_no_other(gateway: Served, one: int) -> None:
    with socket.create_server(("127.0.0.1", gateway.port(PORT))) as taken:
        problems = await gateway.put(
            service("s", one, scheme="tcp"),
            stream_route("r", "s", server_port=PORT),
            stream_route("q", "s", server_port=PORT + 1),
        )
        assert list(problems) == [f"{LISTENER}/stream:tcp:{PORT}"]
        assert "Address already in use" in problems[f"{LISTENER}/stream:tcp:{PORT}"]
        assert await greeting(gateway, PORT + 1) == "one"
        assert (await gateway.node.status("/status/ready")).status_code == 200
        taken.close()

    async def free_again() -> bool:  # the port is tried again with the next revision, if that is five seconds later
        await asyncio.sleep(0.5)
        return await gateway.put(stream_route("q", "s", server_port=PORT + 2)) == {}

    assert await holds(free_again)
    assert await greeting(gateway) == "one"


async def test_a_service_that_is_switched_off_closes_its_ports(gateway: Served, one: int) -> None:
    await gateway.put(service("s", one, scheme="tcp"), stream_route("r", "s", server_port=PORT))
    assert await greeting(gateway) == "one"
    await gateway.put(service("s", one, scheme="tcp", status=0))
    with pytest.raises(ConnectionRefusedError):
        await dial(gateway)


async def test_tls_ends_at_the_gateway_or_passes_it_by_server_name(gateway: Served, one: int, tmp_path: Path) -> None:
    ours, theirs = (pki.self_signed((name,), datetime.now(UTC)) for name in ("*.ours.test", "theirs.test"))
    async with upstream("theirs", context(theirs, tmp_path)) as behind, upstream("two") as plain:
        await gateway.put(
            Document("ssls", "c", None, {"snis": ["*.ours.test"], "cert": ours.certificate, "key": ours.key}),
            service("plain", plain.port, scheme="tcp"),
            service("s", one, scheme="tcp"),
            service("tls", behind.port, scheme="tcp"),
            service("again", behind.port, scheme="tls"),
            stream_route("ends", "s", server_port=PORT, sni="*.ours.test"),
            stream_route("again", "again", server_port=PORT, sni="again.ours.test"),
            stream_route("passes", "tls", server_port=PORT, sni="Theirs.test", tls_passthrough=True),
            stream_route("rest", "plain", server_port=PORT),
        )
        line = await dial(gateway, name="a.ours.test")
        assert await line.hears() == "one"
        assert shown(line) == ours.certificate
        passed = await dial(gateway, name="theirs.test")
        assert (await passed.hears(), shown(passed)) == ("theirs", theirs.certificate)
        encrypted_twice = await dial(gateway, name="again.ours.test")
        assert (await encrypted_twice.hears(), shown(encrypted_twice)) == ("theirs", ours.certificate)
        bare = await dial(gateway)
        bare.writer.write(b"hello, this is no TLS\n")  # a port that looks for names waits for the client's first bytes
        assert await bare.hears() == "two"
        renewed = pki.self_signed(("*.ours.test",), datetime.now(UTC))
        await gateway.put(
            Document("ssls", "c", None, {"snis": ["*.ours.test"], "cert": renewed.certificate, "key": renewed.key})
        )
        assert await line.says("still here") == "echo still here"
        assert shown(await dial(gateway, name="a.ours.test")) == renewed.certificate


async def test_datagrams_go_to_the_node_and_come_back(gateway: Served) -> None:
    heard: list[bytes] = []

    class Answering(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            heard.append(data)
            self.transport.sendto(b"re: " + data, addr)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    behind, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    where = behind.get_extra_info("sockname")[1]
    await gateway.put(service("u", where, scheme="udp"), stream_route("r", "u", server_port=PORT))
    assert await answers(gateway, b"one") == b"re: one"
    await gateway.put(
        stream_route("r", "u", server_port=PORT, plugins={"ip-restriction": {"blacklist": ["127.0.0.1"]}})
    )
    assert await answers(gateway, b"two", seconds=0.5) == b""
    assert await answers(gateway, b"three", source="127.0.0.2") == b"re: three"
    assert heard == [b"one", b"three"]
    behind.close()


async def test_connections_and_bytes_are_counted(gateway: Served, one: int) -> None:
    route = stream_route("counted", "s", server_port=PORT, plugins={"prometheus": {}})
    await gateway.put(service("s", one, scheme="tcp"), route)
    line = await dial(gateway)
    assert await line.hears() == "one"
    assert await line.says("12345") == "echo 12345"
    await line.close()

    async def counted() -> bool:
        page = (await gateway.node.client.get(gateway.node.url("metrics", "/apisix/prometheus/metrics"))).text
        bare = re.sub(',gateway_group_id="[^"]+",instance_id="[^"]+"', "", page)
        return all(
            wanted in bare
            for wanted in (
                'apisix_stream_connection_total{route="counted",service="s"} 1\n',
                'apisix_stream_bandwidth{route="counted",service="s",type="ingress"} 6\n',
                'apisix_stream_bandwidth{route="counted",service="s",type="egress"} 15\n',
            )
        )

    assert await holds(counted)


async def answers(gateway: Served, word: bytes, *, source: str = "127.0.0.1", seconds: float = 30) -> bytes:
    """What comes back for a datagram; empty when nothing does in that time."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.bind((source, 0))
        await loop.sock_sendto(client, word, ("127.0.0.1", gateway.port(PORT)))
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(loop.sock_recv(client, 100), seconds)
    return b""


def context(pair: pki.Pair, folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with this certificate."""
    file = folder / "pair.pem"
    file.write_text(pair.certificate + pair.key)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def shown(line: Line) -> str:
    """The certificate (PEM) that the client was shown."""
    return ssl.DER_cert_to_PEM_cert(line.writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
