"""The calls a node makes to its DP Manager, over TLS that trusts the one CA it joined with."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TypeVar

import grpc
import grpc.aio
import msgspec

from gatefleet import fleet, pki
from gatefleet.errors import Forbidden, GatefleetError, Invalid, Unauthorized, Unreachable
from gatefleet.fleet import Enroll, Enrolled, HealthReport, Heard, Heartbeat, Noted, Renew, Tested, TrafficReport
from gatefleet.pki import Bundle
from gatefleet.xds.wire import UNLIMITED

_CONNECT_MILLISECONDS: Final = 5_000
"""How long TCP and TLS may take: what is cut short begins anew, and a thousand nodes that come at once take a while."""
OPTIONS: Final = (
    *UNLIMITED,
    ("grpc.ssl_target_name_override", pki.SERVER_NAME),
    ("grpc.default_authority", pki.SERVER_NAME),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", _CONNECT_MILLISECONDS),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # a new link is a new connection
)
CALL_SECONDS: Final = 5.0
RECORD_SECONDS: Final = 25.0
"""For what the DP Manager answers once it has written much."""
_ERRORS: Final[dict[grpc.StatusCode, type[GatefleetError]]] = {
    grpc.StatusCode.UNAUTHENTICATED: Unauthorized,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
    grpc.StatusCode.INVALID_ARGUMENT: Invalid,
    grpc.StatusCode.FAILED_PRECONDITION: Invalid,
}
_T = TypeVar("_T", bound=msgspec.Struct)


class Link:
    """A channel to a DP Manager with this node's certificate."""

    def __init__(self, target: str, identity: Bundle) -> None:
        self.channel = _channel(target, identity.ca_certificate, identity)
        self._beats: grpc.aio.StreamStreamCall[bytes, bytes] | None = None

    async def renew(self, csr: str, instance: str) -> Enrolled:
        """The next certificate, and the group's keys as they are now. Raises a GatefleetError."""
        return await _call(self.channel, fleet.RENEW, Renew(csr, instance), Enrolled)

    async def heartbeat(self, beat: Heartbeat) -> Heard:
        """Say how we are, on a stream that is kept while each is answered. Raises a GatefleetError."""
        beats, self._beats = self._beats, None
        if beats is None or beats.done():
            method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(fleet.HEARTBEATS)
            beats = method()
        try:
            with _in_our_words():
                heard = await _exchange(beats, beat)
        except BaseException:
            beats.cancel()
            raise
        self._beats = beats
        return heard

    async def health(self, report: HealthReport) -> None:
        """Say how the upstreams are. Raises a GatefleetError."""
        await _call(self.channel, fleet.HEALTH, report, Noted)

    async def traffic(self, report: TrafficReport) -> None:
        """Say what was served; it is on record when this returns. Raises a GatefleetError."""
        await _call(self.channel, fleet.TRAFFIC, report, Noted, RECORD_SECONDS)

    async def tested(self, tested: Tested) -> None:
        """Say what came of a request that was tried. Raises a GatefleetError."""
        await _call(self.channel, fleet.TESTED, tested, Noted)

    async def close(self) -> None:
        await self.channel.close()


async def call_enroll(target: str, ca: str, request: Enroll) -> Enrolled:
    """Join at `target`, whose certificate must be signed by `ca` (PEM). Raises a GatefleetError."""
    channel = _channel(target, ca, None)
    try:
        return await _call(channel, fleet.ENROLL, request, Enrolled)
    finally:
        await channel.close()


def _channel(target: str, ca: str, identity: Bundle | None) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(
        root_certificates=ca.encode(),
        private_key=identity.private_key.encode() if identity else None,
        certificate_chain=identity.certificate.encode() if identity else None,
    )
    return grpc.aio.secure_channel(target, credentials, options=OPTIONS)


async def _call(
    channel: grpc.aio.Channel, method: str, request: msgspec.Struct, kind: type[_T], seconds: float = CALL_SECONDS
) -> _T:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    with _in_our_words():
        body = await call(msgspec.msgpack.encode(request), timeout=seconds)
        return msgspec.msgpack.decode(body, type=kind)


async def _exchange(beats: "grpc.aio.StreamStreamCall[bytes, bytes]", beat: Heartbeat) -> Heard:
    async with asyncio.timeout(CALL_SECONDS):
        await beats.write(msgspec.msgpack.encode(beat))
        body = await beats.read()
    if isinstance(body, bytes):
        return msgspec.msgpack.decode(body, type=Heard)
    raise Unreachable("the DP Manager closed the stream")


@contextmanager
def _in_our_words() -> Generator[None]:
    """Whatever goes wrong, as a GatefleetError."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raised = _ERRORS.get(error.code(), Unreachable)
        raise raised(error.details() or error.code().name) from error
    except TimeoutError as error:
        raise Unreachable("the DP Manager does not answer") from error
    except asyncio.InvalidStateError as error:
        raise Unreachable("the connection is closed") from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise Unreachable("the connection was closed meanwhile") from None  # by us, who go on over another one
    except msgspec.DecodeError as error:
        raise Invalid(f"the DP Manager's answer cannot be read: {error}") from error
