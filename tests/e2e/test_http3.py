"""HTTP/3 on a real node, asked by a client that speaks QUIC."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import httpx
import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, QuicEvent

from gatefleet.resources import Document
from tests.e2e import kit
from tests.e2e.certificates import Issued, authority, issue
from tests.e2e.served import Served, service, serving

pytestmark = pytest.mark.anyio
PORT = 9443


class Client(QuicConnectionProtocol):
    """One connection; requests on it one after the other."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = H3Connection(self._quic)
        self._events: deque[H3Event] = deque()
        self._over: asyncio.Future[None] | None = None
        self.ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the handshake was done, once it is known."""

    async def get(self, host: str, path: str = "/", method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        stream = self._quic.get_next_available_stream_id()
        head = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", host.encode())]
        self._http.send_headers(stream, [*head, (b":path", path.encode())], end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self._over = asyncio.get_running_loop().create_future()
        self.transmit()
        await asyncio.wait_for(self._over, 30)
        status, data = 0, b""
        while self._events:
            match self._events.popleft():
                case HeadersReceived(headers=headers):
                    status = int(dict(headers).get(b":status", b"0"))
                case DataReceived(data=more):
                    data += more
                case _:
                    pass
        return status, data

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted | ConnectionTerminated) and not self.ready.done():
            self.ready.set_result(isinstance(event, HandshakeCompleted))
        for one in self._http.handle_event(event):
            self._events.append(one)
            if getattr(one, "stream_ended", False) and self._over and not self._over.done():
                self._over.set_result(None)

    @property
    def shown(self) -> int:
        """The serial number of the certificate the gateway showed."""
        certificate = cast("Any", self._quic.tls)._peer_certificate  # noqa: SLF001 - aioquic has no other way
        return int(certificate.serial_number)


@contextlib.asynccontextmanager
async def connected(gateway: Served, name: str, seconds: float = 30) -> AsyncGenerator[Client]:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=name)
    configuration.verify_mode = ssl.CERT_NONE
    where = ("127.0.0.1", gateway.port(PORT))
    opened = connect(*where, configuration=configuration, create_protocol=Client, wait_connected=False)
    async with asyncio.timeout(60), opened as found:
        client = cast("Client", found)
        client.transmit()
        if not await asyncio.wait_for(client.ready, seconds):
            raise ConnectionError
        yield client


async def refused(gateway: Served, name: str) -> bool:
    """Whether there is no connection for that name."""
    try:
        async with connected(gateway, name, seconds=2):
            return False
    except (ConnectionError, TimeoutError):
        return True


def ssl_object(name: str, pair: Issued, *names: str, **more: Any) -> Document:
    return Document("ssls", name, None, {"snis": list(names), "cert": pair.cert, "key": pair.key, **more})


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, one_event_loop: None) -> AsyncIterator[Served]:
    del one_event_loop
    with kit.echo() as upstream:
        async with serving(tmp_path_factory.mktemp("http3")) as found:
            route = Document("routes", "all", "s", {"name": "all", "service_id": "s", "paths": ["/*"]})
            await found.put(service("s", upstream), route)
            yield found


async def test_names_that_want_it_speak_http3_and_say_so(gateway: Served) -> None:
    fast, plain = issue(authority(), "fast.test"), issue(authority(), "plain.test")
    problems = await gateway.put(
        ssl_object("fast", fast, "fast.test", "*.fast.test", enable_http3=True),
        ssl_object("plain", plain, "plain.test"),
    )
    assert problems == {}
    async with connected(gateway, "fast.test") as client:
        assert (await client.get("fast.test"))[0] == 200
        assert (await client.get("fast.test", method="POST", body=b"hello"))[0] == 200
    async with connected(gateway, "sub.fast.test") as client:
        assert (await client.get("sub.fast.test"))[0] == 200
    assert await refused(gateway, "plain.test")
    assert await refused(gateway, "nobody.test")
    assert await alternative(gateway, "fast.test") == f'h3=":{gateway.port(PORT)}"; ma=86400'
    assert await alternative(gateway, "plain.test") is None


async def test_other_names_and_new_certificates_leave_connections_open(gateway: Served) -> None:
    first, second = issue(authority(), "fast.test"), issue(authority(), "fast.test")
    await gateway.put(ssl_object("fast", first, "fast.test", enable_http3=True))
    async with connected(gateway, "fast.test") as client:
        shown = client.shown
        assert (await client.get("fast.test"))[0] == 200
        await gateway.put(ssl_object("more", issue(authority(), "more.test"), "more.test", enable_http3=True))
        assert (await client.get("fast.test"))[0] == 200
        await gateway.put(ssl_object("fast", second, "fast.test", enable_http3=True))
        assert (await client.get("fast.test"))[0] == 200
        async with connected(gateway, "fast.test") as later:
            assert later.shown != shown
        async with connected(gateway, "more.test") as other:
            assert (await other.get("more.test"))[0] == 200
        await gateway.put(gone=(("ssls", "more"),))
        assert (await client.get("fast.test"))[0] == 200
    assert await refused(gateway, "more.test")
    await gateway.put(gone=(("ssls", "fast"),))
    assert await refused(gateway, "fast.test")


async def alternative(gateway: Served, name: str) -> str | None:
    """The header `alt-svc` of an answer by TCP."""
    extensions = {"sni_hostname": name}
    async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 - a certificate of our own
        url = f"https://127.0.0.1:{gateway.port(PORT)}/"
        answer = await client.get(url, headers={"host": name}, extensions=extensions)
    assert answer.status_code == 200
    return answer.headers.get("alt-svc")
