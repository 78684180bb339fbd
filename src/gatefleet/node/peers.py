"""Copies between nodes of one group: served to peers on a port of its own, and fetched from them.

gRPC service `gatefleet.Peer` over TLS with the nodes' own certificates. A certificate of another group, or a revoked
one, gets nothing; a server that is no node of the group is not asked, since its certificate lacks the group's name.
"""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import msgspec
import structlog

from gatefleet import pki, sealed
from gatefleet.errors import Conflict, Forbidden, GatefleetError, Invalid, Unreachable
from gatefleet.node.copies import Revision, opened
from gatefleet.node.judge import Source
from gatefleet.pki import Bundle

log = structlog.get_logger()

SERVICE: Final = "gatefleet.Peer"
COPY: Final = f"/{SERVICE}/Copy"
DEFAULT_PORT: Final = 7944
CHUNK: Final = 1 << 20
LARGEST: Final = 1 << 29
"""Bytes of the largest copy that is taken."""
MOST_AT_ONCE: Final = 16
"""Peers that are served at the same time; the others come again."""
ANSWER_SECONDS: Final = 20.0
"""How long one peer may take for its whole copy."""
LOOK_SECONDS: Final = 60.0
"""How long all of them may take together."""

Context = grpc.aio.ServicerContext[bytes, bytes]
Method = grpc.aio.UnaryStreamMultiCallable[bytes, bytes]


class Wanted(msgspec.Struct, frozen=True):
    """Ask for a copy; the answer is its bytes in pieces, or nothing when there is none as new as that."""

    least: int
    """The lowest revision that is of use."""


class PeerServer:
    """Gives the copy on this node's disk to the other nodes of its group."""

    def __init__(self, bind: str, port: int, copy: Path, identity: Callable[[], Bundle]) -> None:
        self._address = f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"
        self._copy, self._identity = copy, identity
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. Conflict when somebody else does already."""
        options = (("grpc.so_reuseport", 0),)
        server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MOST_AT_ONCE)
        method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(self._serve)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Copy": method}),))
        configuration = _certificates(self._identity())
        credentials = grpc.dynamic_ssl_server_credentials(
            configuration, lambda: _certificates(self._identity()), require_client_authentication=True
        )
        try:
            server.add_secure_port(self._address, credentials)
        except RuntimeError as error:
            raise Conflict(
                f"cannot listen on {self._address} (peers): stop what listens there, or choose another with --peer-port"
            ) from error
        await server.start()
        self._server = server
        log.info("peers are served", address=self._address)

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(0)

    async def _serve(self, body: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            self._admit(context)
            wanted = msgspec.msgpack.decode(body, type=Wanted)
        except (GatefleetError, msgspec.DecodeError) as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        copy = await asyncio.to_thread(self._newest, wanted.least)
        for start in range(0, len(copy), CHUNK):
            yield copy[start : start + CHUNK]

    def _admit(self, context: Context) -> None:
        """Forbidden for what is no node of this group, or is one no more."""
        certificate, ours = b"".join(context.auth_context().get("x509_pem_cert", ())).decode(), self._identity()
        if pki.identity_of(certificate).group != ours.gateway_group_id:
            raise Forbidden("the client certificate belongs to another gateway group")
        if pki.certificate_hash(certificate) in ours.revoked:
            raise Forbidden("the client certificate is revoked")

    def _newest(self, least: int) -> bytes:
        """The copy on disk; empty when there is none of that revision or newer."""
        with contextlib.suppress(OSError, Invalid):
            copy = self._copy.read_bytes()
            if sealed.header_of(copy).revision >= least:
                return copy
        return b""


class Peers:
    """The copies of other nodes, by the names or addresses they are given as; a name stands for all its addresses."""

    source: Source = "peer"

    def __init__(self, names: Sequence[str]) -> None:
        """Raises Invalid for what is no peer."""
        self._peers = tuple(map(split, names))

    async def newer(self, identity: Bundle, least: int) -> Revision | None:
        """The newest copy that any of them has, if it is of revision `least` or newer; see `elsewhere.Place`."""
        best: Revision | None = None
        problem: GatefleetError | None = None
        end = time.monotonic() + LOOK_SECONDS
        for address in await self._addresses():
            if time.monotonic() > end:
                break
            try:
                found = await _ask(address, identity, best.seal.revision + 1 if best else least)
                best = found or best
            except GatefleetError as error:
                problem = error
        if best is None and problem:
            raise problem
        return best

    async def _addresses(self) -> Sequence[str]:
        """Every address of every name, in an order of chance: not all nodes ask the same one first."""
        found: dict[str, None] = {}
        for host, port in self._peers:
            with contextlib.suppress(OSError):
                for *_, place in await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM):
                    found[f"[{place[0]}]:{port}" if ":" in str(place[0]) else f"{place[0]}:{port}"] = None
        if not found:
            raise Unreachable(f"none of the peers {[host for host, _ in self._peers]} has an address")
        return random.sample(list(found), len(found))


def split(name: str) -> tuple[str, int]:
    """Host and port of a peer as it is written: `host`, `host:port`, `[address]:port`. Invalid for anything else."""
    host, colon, port = name.rpartition(":") if not name.endswith("]") else (name, "", "")
    if not colon:
        host, port = name, str(DEFAULT_PORT)
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16 or set(host) & set("/[] "):
        raise Invalid(f"[{name}] is no peer: write host:{DEFAULT_PORT}")
    return host, int(port)


async def _ask(address: str, identity: Bundle, least: int) -> Revision | None:
    """One peer's copy, fully checked; None when it is not as new as that."""
    credentials = grpc.ssl_channel_credentials(
        identity.ca_certificate.encode(), identity.private_key.encode(), identity.certificate.encode()
    )
    name = pki.peer_name(identity.gateway_group_id)
    options = (
        ("grpc.ssl_target_name_override", name), ("grpc.default_authority", name), ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 2 * CHUNK),
    )  # fmt: skip
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        body = await _fetched(channel, address, Wanted(least))
    if not body:
        return None
    what = f"the copy of the peer {address}"
    found = await asyncio.to_thread(opened, body, identity, 0, what)
    if found.seal.revision < least:
        raise Invalid(f"{what} is refused: it is revision {found.seal.revision}, and {least} was asked for")
    return found


async def _fetched(channel: grpc.aio.Channel, address: str, wanted: Wanted) -> bytes:
    body = bytearray()
    method: Method = channel.unary_stream(COPY)
    try:
        async for piece in method(msgspec.msgpack.encode(wanted), timeout=ANSWER_SECONDS):
            body += piece
            if len(body) > LARGEST:
                raise Invalid(f"the copy of the peer {address} is refused: it is larger than {LARGEST} bytes")
    except grpc.aio.AioRpcError as error:
        raise Unreachable(f"the peer {address} gives no copy: {error.details() or error.code().name}") from error
    return bytes(body)


def _certificates(identity: Bundle) -> Any:
    """What the server shows and whom it trusts, as they are now: certificates are renewed while it runs."""
    return grpc.ssl_server_certificate_configuration(
        [(identity.private_key.encode(), identity.certificate.encode())], identity.ca_certificate.encode()
    )
