"""A delta xDS server over published snapshots: any number of streams per key, each brought to the newest one."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from gatefleet.protos.envoy.service.discovery import v3 as discovery
from gatefleet.snapshot import PUSH_ORDER, Snapshot, entry
from gatefleet.xds.feed import Feed, Resolver
from gatefleet.xds.stream import PATIENCE, State
from gatefleet.xds.wire import (
    METHOD,
    OWN_SERVICE,
    PACKED,
    PACKED_METHOD,
    PLAIN,
    SERVICE,
    Framing,
    Response,
    responses,
)

Context = grpc.aio.ServicerContext[bytes, bytes]
KeyOf = Callable[[Context], Awaitable[str]]
"""Names the key a caller may follow; aborts the call when there is none."""
NamesOf = Callable[[Context], Collection[str]]
"""By what the caller is known, so that `drop` and `move` can find it."""

FIRST_SYNCS: Final = 8
"""Streams that may send more than `_SMALL` bytes at once; the others wait for a place."""
_SMALL: Final = 64 * 1024
_LONGEST_TURN: Final = 10.0
"""Seconds after which a slow client gives its place away."""


class Server:
    """Snapshots by key, and the streams that follow them.

    `stepwise`: wait for a type's answers before the next type goes out, as a proxy needs that must never
    refer to what it has not taken yet. `resolve` answers names that are not in the snapshot.
    """

    def __init__(
        self,
        *,
        stepwise: bool = False,
        resolve: Resolver | None = None,
        order: Sequence[str] = PUSH_ORDER,
        first_syncs: int = FIRST_SYNCS,
    ) -> None:
        self._stepwise, self._resolve, self._order = stepwise, resolve, order
        self._nonces = map(str, itertools.count(1))
        self._feeds: dict[str, Feed] = {}
        self._streams: dict[str, set[Stream]] = {}
        self._turns = asyncio.Semaphore(first_syncs)
        self._moved = asyncio.Condition()

    def publish(self, key: str, snapshot: Snapshot) -> int:
        """Make `snapshot` the newest of `key`; returns its generation, which `acknowledged` takes."""
        return self._feed(key).publish(snapshot)

    def drop(self, names: Collection[str], reason: str) -> None:
        """End the streams of these callers, who are told the reason."""
        for stream in [s for streams in self._streams.values() for s in streams if not s.names.isdisjoint(names)]:
            stream.end(reason)

    def move(self, key: str, to: str, names: Collection[str] | None = None) -> int:
        """Have the streams of `key`, those of these callers or all, follow `to` instead; how many there were.

        They stay open, and go on from what their clients hold.
        """
        moved = [s for s in self._streams.get(key, ()) if names is None or not s.names.isdisjoint(names)]
        for stream in moved:
            self._detach(stream)
            self._attach(stream, to)
            stream.wake()
        return len(moved)

    def tell(self, name: str, type_url: str, told: Mapping[str, bytes]) -> bool:
        """Send resources that are in no snapshot to the streams of a caller, once; whether there is a stream.

        Nobody answers for them, and a stream that breaks meanwhile does not bring them again.
        """
        streams = [s for streams in self._streams.values() for s in streams if name in s.names]
        for response in responses(type_url, {n: entry(body) for n, body in told.items()}, (), self._nonces):
            for stream in streams:
                stream.tell(response)
        return bool(streams)

    def names(self) -> frozenset[str]:
        """By what the callers of all streams are known."""
        return frozenset(name for streams in self._streams.values() for s in streams for name in s.names)

    def withdraw(self, key: str, reason: str) -> None:
        """Forget a key: its streams end and their callers are told the reason."""
        self._feeds.pop(key, None)
        for stream in self._streams.get(key, ()):
            stream.end(reason)

    async def acknowledged(
        self, key: str, generation: int, *, types: Collection[str] = (), patience: float = 5.0
    ) -> bool:
        """Whether within `patience` seconds every stream of `key`, and at least one, has answered all of `generation`.

        A stream counts once it has subscribed to all of `types`. A rejection is an answer too: see `rejected`.
        """

        def done() -> bool:
            streams = self._streams.get(key)
            return bool(streams) and all(s.reached >= generation and s.follows(types) for s in streams)

        try:
            async with asyncio.timeout(patience), self._moved:
                await self._moved.wait_for(done)
        except TimeoutError:
            return False
        return True

    def rejected(self, key: str) -> Mapping[tuple[str, str], str]:
        """(type URL, name) of every resource that a client of `key` refuses to take, and its reason."""
        return {
            (sub.type_url, name): reason
            for stream in self._streams.get(key, ())
            for sub in stream.state.subscriptions.values()
            for name, reason in sub.rejected.items()
        }

    def connected(self, key: str) -> int:
        """How many streams follow `key` now."""
        return len(self._streams.get(key, ()))

    def handlers(self, key_of: KeyOf, names_of: NamesOf = lambda _: ()) -> tuple[grpc.GenericRpcHandler, ...]:
        """The gRPC services, plain and packed, to be added to a grpc.aio server."""

        def handler(service: str, method: str, framing: Framing) -> grpc.GenericRpcHandler:
            async def follow(requests: AsyncIterator[bytes], context: Context) -> None:
                await key_of(context)
                await context.send_initial_metadata(())  # a client that lacks nothing hears at once: it is connected
                key = await key_of(context)  # which may have become another one meanwhile
                if reason := await self._serve(key, names_of(context), requests, context.write, framing):
                    await context.abort(grpc.StatusCode.PERMISSION_DENIED, reason)

            made = grpc.stream_stream_rpc_method_handler(follow)  # pyright: ignore[reportArgumentType, reportUnknownVariableType]  (the stubs know synchronous handlers only)
            return grpc.method_handlers_generic_handler(service, {method: made})  # pyright: ignore[reportUnknownArgumentType]

        return handler(SERVICE, METHOD, PLAIN), handler(OWN_SERVICE, PACKED_METHOD, PACKED)

    async def _serve(
        self,
        key: str,
        names: Collection[str],
        requests: AsyncIterator[bytes],
        write: Callable[[bytes], Awaitable[None]],
        framing: Framing,
    ) -> str:
        """Serve one stream to its end; the reason, if we ended it."""
        state = State(self._feed(key), self._order, stepwise=self._stepwise, resolve=self._resolve)
        stream = Stream(names, state, framing, self._turns)
        self._attach(stream, key)
        try:
            await stream.run(requests, write, self._settled)
        finally:
            self._detach(stream)
            await self._settled()
        return stream.reason

    def _attach(self, stream: "Stream", key: str) -> None:
        feed = self._feed(key)
        stream.key = key
        stream.state.follow(feed)
        feed.followers.add(stream)
        self._streams.setdefault(key, set()).add(stream)

    def _detach(self, stream: "Stream") -> None:
        if feed := self._feeds.get(stream.key):
            feed.followers.discard(stream)
        self._streams[stream.key].discard(stream)

    async def _settled(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _feed(self, key: str) -> Feed:
        if key not in self._feeds:
            self._feeds[key] = Feed(self._nonces)
        return self._feeds[key]


class Stream:
    """One call: reads requests into the state, writes what the state chooses."""

    def __init__(self, names: Collection[str], state: State, framing: Framing, turns: asyncio.Semaphore) -> None:
        self.names = frozenset(names)
        self.key = ""
        self.state = state
        self.reason = ""
        """Why we ended it."""
        self._framing, self._turns = framing, turns
        self._event = asyncio.Event()
        self._ended = False
        self._told: deque[Response] = deque()

    @property
    def reached(self) -> int:
        return self.state.reached

    def follows(self, types: Collection[str]) -> bool:
        return all(t in self.state.subscriptions for t in types)

    def wake(self) -> None:
        self._event.set()

    def tell(self, response: Response) -> None:
        """Send this, before anything else."""
        self._told.append(response)
        self._event.set()

    def end(self, reason: str = "") -> None:
        self.reason, self._ended = self.reason or reason, True
        self._event.set()

    async def run(
        self,
        requests: AsyncIterator[bytes],
        write: Callable[[bytes], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        """Until the client goes or the key is withdrawn. `settled` is told whenever there is nothing left to send."""
        reader = asyncio.ensure_future(self._read(requests))
        reader.add_done_callback(lambda _: self.end())
        try:
            while not self._ended:
                self._event.clear()
                if body := self._next():
                    await self._write(body, write)
                    continue
                await settled()
                await self._wait()
        finally:
            reader.cancel()

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        async for body in requests:
            try:
                found = [discovery.DeltaDiscoveryRequest.FromString(message) for message in self._framing.split(body)]
            except (DecodeError, ValueError):
                self.end("the request cannot be read")
                return
            for request in found:
                self.state.receive(request)
            self._event.set()

    async def _wait(self) -> None:
        """Until something happens; while answers are awaited, no longer than until patience ends."""
        try:
            async with asyncio.timeout(PATIENCE if self.state.waiting else None):
                await self._event.wait()
        except TimeoutError:
            pass

    def _next(self) -> bytes | None:
        """The next gRPC message, of one response or as many as go together; None when there is nothing to send."""
        found: list[bytes] = []
        size = 0
        while (not found or size < self._framing.full) and (
            response := self._told.popleft() if self._told else self.state.next(time.monotonic())
        ):
            found.append(response.body)
            size += len(response.body)
        return self._framing.join(found) if found else None

    async def _write(self, body: bytes | None, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Send one message; when it is a big one, send what follows it too while holding one of the few places."""
        if body is None or len(body) < _SMALL:
            if body:
                await write(body)
            return
        until = time.monotonic() + _LONGEST_TURN
        async with self._turns:
            while body and not self._ended:
                await write(body)
                body = self._next() if time.monotonic() < until else None
