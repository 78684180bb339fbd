"""A delta xDS client: follows the server's snapshot, and after a broken stream asks only for what it lacks."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

import grpc
import grpc.aio

from gatefleet.protos.envoy.service.discovery import v3 as discovery
from gatefleet.protos.google import rpc
from gatefleet.snapshot import PUSH_ORDER, Delta, Entry, Snapshot, entry
from gatefleet.xds.wire import OWN_SERVICE, PACKED, PACKED_METHOD

SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.5
"""Seconds; the channel's own pauses keep attempts off the network, these only notice when it is there again."""
LOOK: Final = 0.2
BLIND: Final = 5.0
"""Seconds after which a stream is tried on a channel without connection, too: it tells why there is none."""
INVALID_ARGUMENT: Final = 3


_Open = grpc.aio.StreamStreamMultiCallable[bytes, bytes]


class Follower:
    """What one client holds, kept up to date by `updates`; it speaks the protocol packed."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        node_id: str,
        held: Snapshot | None = None,
        types: Sequence[str] = PUSH_ORDER,
        metadata: Mapping[str, str] | None = None,
        beside: Callable[[str, Mapping[str, bytes]], None] = lambda _type, _told: None,
    ) -> None:
        """`beside` is given what comes without belonging to the snapshot: its type, and bodies by name."""
        self.connected = False
        """A stream is open and the server has answered."""
        self.problem = ""
        """Why the last stream ended."""
        self._channel = channel
        self._call: _Open = channel.stream_stream(f"/{OWN_SERVICE}/{PACKED_METHOD}")
        self._node_id, self._types = node_id, tuple(types)
        self._metadata = tuple((metadata or {}).items())
        self._held = {t: dict((held or Snapshot()).of(t)) for t in types}
        self._refusal = ""
        self._beside = beside

    @property
    def snapshot(self) -> Snapshot:
        """Everything held now, whole revision or not."""
        return Snapshot({t: dict(entries) for t, entries in self._held.items()})

    def of(self, type_url: str) -> Mapping[str, Entry]:
        """What is held of one type now; a live view."""
        return self._held[type_url]

    def replace(self, snapshot: Snapshot) -> None:
        """Hold `snapshot` instead; said to the server when the next stream begins."""
        self._held = {t: dict(snapshot.of(t)) for t in self._types}

    def refuse(self, reason: str) -> None:
        """Answer the update in hand with a rejection instead of an acknowledgement."""
        self._refusal = reason

    async def updates(self) -> AsyncGenerator[Delta, None]:
        """Every change as it arrives, for ever; acknowledged, with what came along, when the caller asks for the next.

        A broken stream is opened again after a pause that doubles from 0.1 to 1.5 seconds, with jitter, and once there
        is a connection; `problem` says why it broke.
        """
        pause = SHORTEST_PAUSE
        while True:
            began = time.monotonic()
            try:
                async with aclosing(self._stream()) as stream:
                    async for delta in stream:
                        pause = SHORTEST_PAUSE
                        yield delta
            finally:
                self.connected = False
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = SHORTEST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  (spreads reconnects, protects nothing)
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._connection()

    async def _connection(self) -> None:
        """Wait for one, for some seconds: a stream that has to fail costs far more than looking."""
        until = time.monotonic() + BLIND
        while time.monotonic() < until:
            if self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
                return
            await asyncio.sleep(LOOK)

    async def _stream(self) -> AsyncGenerator[Delta, None]:
        call = self._call(metadata=self._metadata)
        try:
            await (
                call.initial_metadata()
            )  # a server that refuses says so here; a write would only fail without a reason
            if not call.done():
                self.connected, self.problem = True, ""
                await call.write(PACKED.join([self._opening(type_url) for type_url in self._types]))
            async for body in _bodies(call):
                answers: list[bytes] = []
                for message in PACKED.split(body):
                    response = discovery.DeltaDiscoveryResponse.FromString(message)
                    if response.type_url not in self._types:
                        self._beside(response.type_url, {r.name: r.resource.value for r in response.resources})
                        continue
                    self._refusal = ""
                    yield self._apply(response)
                    answers.append(self._answer(response))
                if answers:
                    await call.write(PACKED.join(answers))
            self.problem = "the server closed the stream"
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self.problem = f"{(await call.code()).name}: {await call.details()}"
        finally:
            call.cancel()

    def _apply(self, response: "discovery.DeltaDiscoveryResponse") -> Delta:
        changed = {r.name: entry(r.resource.value) for r in response.resources}
        removed = tuple(response.removed_resources)
        held = self._held.setdefault(response.type_url, {})
        held.update(changed)
        for name in removed:
            held.pop(name, None)
        return Delta({response.type_url: changed} if changed else {}, {response.type_url: removed} if removed else {})

    def _opening(self, type_url: str) -> bytes:
        return discovery.DeltaDiscoveryRequest(
            node={"id": self._node_id},
            type_url=type_url,
            resource_names_subscribe=["*"],
            initial_resource_versions={n: e.version for n, e in self._held[type_url].items()},
        ).SerializeToString()

    def _answer(self, response: "discovery.DeltaDiscoveryResponse") -> bytes:
        return discovery.DeltaDiscoveryRequest(
            type_url=response.type_url,
            response_nonce=response.nonce,
            error_detail=rpc.Status(code=INVALID_ARGUMENT, message=self._refusal) if self._refusal else None,
        ).SerializeToString()


async def _bodies(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> AsyncIterator[bytes]:
    while isinstance(body := await call.read(), bytes):
        yield body
