"""TLS on a real node: who is shown which certificate, who must show one, and what rotation leaves alone."""

import asyncio
import contextlib
import os
import ssl
import warnings
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from gatefleet.resources import Document
from tests.e2e import certificates, kit
from tests.e2e.certificates import Issued, authority, issue
from tests.e2e.served import Served, service, serving

pytestmark = pytest.mark.anyio
HTTPS = 9443
UNKNOWN = int(os.environ.get("GATEFLEET_SNIS", "1500"))
"""Server names that nobody has, to ask for."""
ALERT = b"\x15"
REFUSED = 0
"""What stands for a status when there was no answer: the handshake failed or the connection was cut."""


OPENED: list[asyncio.StreamWriter] = []
"""Closed at the end of each test."""


@dataclass
class Client:
    """One connection by TLS for a server name; it may show a certificate of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def get(self, host: str, path: str = "/", **headers: str) -> int:
        """The status of a request on this connection."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        try:
            self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
            head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1").lower()
            await self.reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            return REFUSED
        return int(head.split()[1])

    @property
    def shown(self) -> str:
        """The certificate (PEM) the gateway showed."""
        return ssl.DER_cert_to_PEM_cert(self.tls.getpeercert(binary_form=True) or b"")

    @property
    def tls(self) -> ssl.SSLObject:
        return self.writer.get_extra_info("ssl_object")


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, one_event_loop: None) -> AsyncIterator[Served]:
    del one_event_loop
    async with serving(tmp_path_factory.mktemp("tls")) as found:
        yield found


@pytest.fixture(scope="module")
def upstream() -> Any:
    with kit.echo() as port:
        yield port


@pytest.fixture(autouse=True)
async def everything_is_routed(gateway: Served, upstream: int) -> AsyncIterator[None]:
    """Every host and path has a route; what a test added is gone afterwards."""
    route = Document("routes", "all", "s", {"name": "all", "service_id": "s", "paths": ["/*"]})
    await gateway.put(service("s", upstream), route)
    yield
    while OPENED:
        OPENED.pop().close()
    await gateway.restart(("ssls", "snis", "certificates", "ca_certificates", "routes", "services"))


async def connect(gateway: Served, name: str, own: Path | None = None, **settings: Any) -> Client:
    """A connection for server name `name`, showing the certificate in the file `own`; raises as Python does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if own:
        context.load_cert_chain(own)
    if ciphers := settings.pop("ciphers", None):
        context.set_ciphers(ciphers)
    if protocols := settings.pop("alpn", None):
        context.set_alpn_protocols(protocols)
    for key, value in settings.items():
        setattr(context, key, value)
    opened = asyncio.open_connection("127.0.0.1", gateway.port(HTTPS), ssl=context, server_hostname=name)
    client = Client(*await asyncio.wait_for(opened, 30))
    OPENED.append(client.writer)
    return client


async def ask(
    gateway: Served, name: str, path: str = "/", own: Path | None = None, host: str = "", **settings: Any
) -> int:
    """The status of one request on a connection of its own, REFUSED if there is none."""
    try:
        client = await connect(gateway, name, own, **settings)
    except (OSError, ssl.SSLError):
        return REFUSED
    return await client.get(host or name, path)


def ssl_object(name: str, *pairs: Issued, snis: tuple[str, ...], **more: Any) -> Document:
    first, *rest = pairs
    further = {"certs": [p.cert for p in rest], "keys": [p.key for p in rest]} if rest else {}
    body = {"snis": list(snis), "cert": first.cert, "key": first.key, **further, **more}
    return Document("ssls", name, None, body)


async def test_clients_of_a_name_with_an_authority_must_show_a_certificate_from_it(
    gateway: Served, tmp_path: Path
) -> None:
    ca, other = authority(), authority("other")
    shown = issue(ca, "secure.test")
    good, wrong = issue(ca, "client").file(tmp_path, "good"), issue(other, "client").file(tmp_path, "wrong")
    secure = ssl_object("s", shown, snis=("secure.test", "*.secure.test"), client={"ca": ca.cert, "depth": 1})
    assert await gateway.put(secure, ssl_object("o", issue(ca, "open.test"), snis=("open.test",))) == {}
    proven = gateway.twin.beats[-1].proven
    assert proven
    assert proven[-1].proof.probed >= 2, "the guarded hosts show their new version"
    assert await ask(gateway, "secure.test", own=good) == 200
    assert await ask(gateway, "a.secure.test", own=good) == 200
    assert await ask(gateway, "SECURE.test", own=good) == 200
    assert await ask(gateway, "secure.test") == REFUSED
    assert await ask(gateway, "secure.test", own=wrong) == REFUSED
    assert await ask(gateway, "open.test") == 200
    # The connection's name is no proof of what a request is for.
    assert await ask(gateway, "open.test", host="secure.test") == 400
    assert await ask(gateway, "open.test", host="a.SECURE.test:443") == 400
    spoofed = await connect(gateway, "open.test")
    fingerprint = "0" * 64
    assert await spoofed.get("secure.test", x_gf_client=f"ssl:s/{fingerprint}", x_forwarded_proto="http") == 400
    client = await connect(gateway, "secure.test", good)
    assert [await client.get("secure.test"), await client.get("open.test")] == [200, 200]
    # Clients' certificates are a matter of TLS: the port without it stays as it is.
    assert (await asyncio.to_thread(kit.request, gateway.port(9080), "GET", "/", "secure.test", {})).status == 200


async def test_chains_are_followed_as_deep_as_allowed(gateway: Served, tmp_path: Path) -> None:
    root = authority()
    middle = authority("middle", root)
    deep = issue(middle, "client").file(tmp_path, "deep")
    shown = issue(root, "deep.test")
    for depth, status in ((1, 200), (0, REFUSED)):
        await gateway.put(ssl_object("d", shown, snis=("deep.test",), client={"ca": root.cert, "depth": depth}))
        assert await ask(gateway, "deep.test", own=deep) == status, depth


async def test_some_paths_may_be_asked_for_without_a_certificate(gateway: Served, tmp_path: Path) -> None:
    ca = authority()
    good = issue(ca, "client").file(tmp_path, "good")
    skipping = {"ca": ca.cert, "skip_mtls_uri_regex": ["^/public/", r"/he(a|i)lth$"]}
    await gateway.put(ssl_object("s", issue(ca, "skip.test"), snis=("skip.test",), client=skipping))
    asked = ("/public/a", "/x/health?deep=1", "/private", "/public/../private", "/private?/public/", "/PUBLIC/a")
    found = {path: await ask(gateway, "skip.test", path) for path in asked}
    assert found == {path: 200 if path in asked[:2] else 400 for path in asked}
    assert {await ask(gateway, "skip.test", path, own=good) for path in asked} == {200}
    wrong = issue(authority("other"), "client").file(tmp_path, "wrong")
    assert await ask(gateway, "skip.test", "/private", own=wrong) == REFUSED


async def test_each_client_is_shown_the_certificate_it_can_check(gateway: Served) -> None:
    ca = authority()
    by_rsa, by_curve = issue(ca, "both.test", key=certificates.rsa_key()), issue(ca, "both.test")
    usual = ssl_object("u", issue(ca, "usual.test"), snis=("usual.test",))
    assert await gateway.put(ssl_object("b", by_rsa, by_curve, snis=("both.test",)), usual) == {}
    old = ssl.TLSVersion.TLSv1_2
    for kind, wanted in (("RSA", by_rsa), ("ECDSA", by_curve)):
        ciphers = f"ECDHE-{kind}-AES128-GCM-SHA256"
        client = await connect(gateway, "both.test", maximum_version=old, ciphers=ciphers)
        assert client.shown == wanted.cert, kind
        assert await client.get("both.test") == 200
    for name in ("both.test", "usual.test"):
        client = await connect(gateway, name, alpn=["h2", "http/1.1"])
        assert client.tls.selected_alpn_protocol() == "h2", name


async def test_versions_of_tls_are_those_of_the_name(gateway: Served) -> None:
    ca = authority()
    await gateway.put(
        ssl_object("n", issue(ca, "new.test"), snis=("new.test",), ssl_protocols=["TLSv1.3"]),
        ssl_object("o", issue(ca, "old.test"), snis=("old.test",), ssl_protocols=["TLSv1.1", "TLSv1.2"]),
        ssl_object("u", issue(ca, "usual.test"), snis=("usual.test",)),
    )
    warnings.simplefilter("ignore", DeprecationWarning)  # of speaking TLS 1.1
    versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    found: dict[str, list[str]] = {}
    for name in ("new.test", "old.test", "usual.test"):
        for said, version in versions.items():
            fixed: dict[str, Any] = {
                "minimum_version": version,
                "maximum_version": version,
                "ciphers": "ALL:@SECLEVEL=0",
            }
            if await ask(gateway, name, **fixed) == 200:
                found.setdefault(name, []).append(said)
    assert found == {"new.test": ["1.3"], "old.test": ["1.1", "1.2"], "usual.test": ["1.2", "1.3"]}


async def test_new_certificates_and_authorities_leave_connections_open(gateway: Served, tmp_path: Path) -> None:
    ca, next_ca = authority(), authority("next")
    good, next_good = issue(ca, "client").file(tmp_path, "good"), issue(next_ca, "client").file(tmp_path, "next")

    def secured(by: Issued) -> Document:
        return ssl_object("s", issue(by, "secure.test"), snis=("secure.test",), client={"ca": by.cert})

    plain = ssl_object("p", issue(ca, "plain.test"), snis=("plain.test",))
    await gateway.put(secured(ca), plain)
    open_before = [await connect(gateway, "secure.test", good), await connect(gateway, "plain.test")]
    hosts = ("secure.test", "plain.test")

    async def all_answer() -> bool:
        return [await client.get(host) for client, host in zip(open_before, hosts, strict=True)] == [200, 200]

    assert await all_answer()
    renewed = ssl_object("p", issue(ca, "plain.test"), snis=("plain.test", "more.test"))
    await gateway.put(secured(next_ca), renewed)
    assert await all_answer()
    assert await ask(gateway, "secure.test", own=good) == REFUSED
    assert await ask(gateway, "secure.test", own=next_good) == 200
    # Another name with a chain of its own comes, changes and goes.
    for versions in (["TLSv1.3"], ["TLSv1.2"], None):
        body = {"ssl_protocols": versions} if versions else {}
        await gateway.put(ssl_object("n", issue(ca, "new.test"), snis=("new.test",), **body))
        assert await all_answer(), versions
    await gateway.put(gone=(("ssls", "n"), ("ssls", "p")))
    assert await all_answer()
    assert await ask(gateway, "plain.test") == REFUSED


async def test_snis_show_certificates_and_check_clients_by_reference(gateway: Served, tmp_path: Path) -> None:
    ca, next_ca = authority(), authority("next")
    shown, renewed = issue(ca, "sni.test"), issue(ca, "sni.test")
    good = issue(ca, "client").file(tmp_path, "good")
    next_good = issue(next_ca, "client").file(tmp_path, "next")

    def certificate(pair: Issued) -> Document:
        return Document("certificates", "c", None, {"cert": pair.cert, "key": pair.key})

    def sni(**more: Any) -> Document:
        return Document("snis", "n", None, {"domain": "sni.test", "certificates": ["c"], **more})

    await gateway.put(certificate(shown), sni())
    client = await connect(gateway, "sni.test")
    assert (client.shown, await client.get("sni.test")) == (shown.cert, 200)
    mtls = {"enabled": True, "ca_certificates": ["a"], "depth": 1}
    await gateway.put(Document("ca_certificates", "a", None, {"cert": ca.cert}), sni(mtls=mtls))
    assert await ask(gateway, "sni.test") == REFUSED
    assert await ask(gateway, "sni.test", own=good) == 200
    assert await client.get("sni.test") in (400, REFUSED)  # it was opened when nobody asked for its certificate
    both = {"cert": ca.cert + next_ca.cert}
    await gateway.put(certificate(renewed), Document("ca_certificates", "a", None, both))
    again = await connect(gateway, "sni.test", next_good)
    assert (again.shown, await again.get("sni.test")) == (renewed.cert, 200)


async def test_a_plain_name_below_a_wildcard_that_wants_certificates_stays_plain(gateway: Served) -> None:
    ca = authority()
    wild = ssl_object("w", issue(ca, "*.wild.test"), snis=("*.wild.test",), client={"ca": ca.cert})
    plain = issue(ca, "open.wild.test")
    await gateway.put(wild, ssl_object("p", plain, snis=("open.wild.test",)))
    client = await connect(gateway, "open.wild.test")
    assert (client.shown, await client.get("open.wild.test")) == (plain.cert, 200)
    assert await client.get("shut.wild.test") == 400
    assert await ask(gateway, "shut.wild.test") == REFUSED


@contextlib.asynccontextmanager
async def tls_upstream(pair: Path, ca: Path | None = None) -> AsyncGenerator[int]:
    """An upstream that speaks TLS and, given an authority, wants a certificate from its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    if ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_upstreams_are_checked_and_shown_certificates_by_reference(gateway: Served, tmp_path: Path) -> None:
    ca, other = authority(), authority("other")
    theirs = issue(ca, "up.test").file(tmp_path, "theirs")
    ours = issue(ca, "gateway")
    documents = [
        Document("certificates", "ours", None, {"cert": ours.cert, "key": ours.key}),
        Document("ca_certificates", "ca", None, {"cert": ca.cert}),
        Document("ca_certificates", "other", None, {"cert": other.cert}),
        Document(
            "routes", "r", "up", {"name": "r", "service_id": "up", "paths": ["/*"], "hosts": ["up.test", "x.test"]}
        ),
    ]

    async def status(host: str, **tls: Any) -> int:
        await gateway.put(*documents, service("up", port, scheme="https", upstream=tls))
        return (await asyncio.to_thread(kit.request, gateway.port(9080), "GET", "/", host, {})).status

    async with tls_upstream(theirs, issue_file(ca, tmp_path)) as port:
        checked = {"tls_verify": True, "ca_certificates": ["ca"], "client_certificate": "ours"}
        assert await status("up.test", **checked) == 200
        assert await status("x.test", **checked) == 502, "the certificate is for another name"
        assert await status("up.test", **{**checked, "ca_certificates": ["other"]}) == 502
        assert await status("up.test", tls_verify=True, ca_certificates=["ca"]) == 502, "no certificate of ours"
        assert await status("up.test", client_certificate="ours") == 200


def issue_file(ca: Issued, folder: Path) -> Path:
    path = folder / "authority.pem"
    path.write_text(ca.cert)
    return path


async def test_unknown_names_are_refused_and_leave_nothing_behind(gateway: Served) -> None:
    await gateway.put(ssl_object("k", issue(authority(), "known.test"), snis=("known.test",)))

    async def refused(names: range) -> None:
        for start in range(names.start, names.stop, 50):
            asked = (_greet(gateway, f"x{start + n}.unknown.test") for n in range(50))
            assert set(await asyncio.gather(*asked)) <= {b"", ALERT}

    await refused(range(300))
    before = _memory(gateway)
    await refused(range(300, UNKNOWN))
    grown = {name: size - before[name] for name, size in _memory(gateway).items()}
    assert all(size < 4 << 20 for size in grown.values()), grown
    assert await ask(gateway, "known.test") == 200


async def _greet(gateway: Served, name: str) -> bytes:
    """The first byte of what the gateway says to a client that asks for `name`; empty when it just leaves."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port(HTTPS))
    try:
        writer.write(out.read())
        return (await asyncio.wait_for(reader.read(), 30))[:1]
    except ConnectionError:
        return b""
    finally:
        writer.close()


def _memory(gateway: Served) -> dict[str, int]:
    """Bytes of each process of the node."""
    agent = psutil.Process(gateway.node.process.pid)
    found = {process.name(): process.memory_info().rss for process in (agent, *agent.children(recursive=True))}
    assert "envoy" in found
    return found
