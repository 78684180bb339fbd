"""The server and the client of the protocol over a real gRPC connection."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc.aio
import pytest

from gatefleet.protos.envoy.service.discovery import v3 as discovery
from gatefleet.snapshot import CLUSTER, PUSH_ORDER, SEAL, Snapshot, diff, snapshot_of
from gatefleet.xds.client import Follower
from gatefleet.xds.server import Context, Server
from gatefleet.xds.wire import OWN_SERVICE, PACKED, PACKED_METHOD, UNLIMITED
from tests.xds.xds_client import until

pytestmark = pytest.mark.anyio
KEY = "x-key"


async def key_of(context: Context) -> str:
    return next(str(v) for k, v in context.invocation_metadata() or () if k == KEY)


@asynccontextmanager
async def serving(server: Server, socket: Path) -> AsyncIterator[None]:
    listener = grpc.aio.server(options=UNLIMITED)
    listener.add_generic_rpc_handlers(server.handlers(key_of, lambda _: ("me",)))
    listener.add_insecure_port(f"unix:{socket}")
    await listener.start()
    try:
        yield
    finally:
        await listener.stop(0)


@asynccontextmanager
async def following(socket: Path, key: str = "k", held: Snapshot | None = None) -> AsyncIterator[Follower]:
    """A client that takes everything in the background; `follower.got` counts the resources it was sent."""
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=UNLIMITED) as channel:
        follower = Follower(channel, node_id="n", held=held, metadata={KEY: key})

        async def take() -> None:
            async for _ in follower.updates():
                pass

        task = asyncio.create_task(take())
        try:
            yield follower
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def content(revision: int, size: int = 1) -> Snapshot:
    clusters = [(CLUSTER, f"c{n}", b"x" * size) for n in range(50)]
    return snapshot_of([*clusters, (SEAL, "seal", str(revision).encode())])


async def test_a_client_follows_and_its_answers_are_awaited(tmp_path: Path) -> None:
    server = Server()
    async with serving(server, tmp_path / "s"), following(tmp_path / "s") as follower:
        first = server.publish("k", content(1))
        assert await server.acknowledged("k", first, types=(SEAL,))
        assert not diff(follower.snapshot, content(1))
        second = server.publish("k", content(2, size=1000))
        assert await server.acknowledged("k", second, types=(SEAL,))
        assert not diff(follower.snapshot, content(2, size=1000))
        assert not await server.acknowledged("k", second, types=("other",), patience=0.05)
        assert not await server.acknowledged("nobody", 1, patience=0.05)


async def test_a_client_comes_back_by_itself_and_is_sent_nothing_it_holds(tmp_path: Path) -> None:
    server, held = Server(), content(1)
    async with following(tmp_path / "s", held=held) as follower:
        server.publish("k", held)
        async with serving(server, tmp_path / "s"):
            await until(lambda: follower.connected)
        await until(lambda: not follower.connected)
        assert follower.problem
        newer = snapshot_of([(CLUSTER, "c0", b"new"), (SEAL, "seal", b"2")])
        generation = server.publish("k", newer)
        async with serving(server, tmp_path / "s"):
            await until(lambda: server.connected("k"))
            assert await server.acknowledged("k", generation, types=(SEAL,))
            assert not diff(follower.snapshot, newer)


async def test_each_client_gets_its_own_key_only(tmp_path: Path) -> None:
    server = Server()
    server.publish("a", snapshot_of([(CLUSTER, "of a", b"")]))
    server.publish("b", snapshot_of([(CLUSTER, "of b", b"")]))
    s = tmp_path / "s"
    async with serving(server, s), following(s, "a") as a, following(s, "b") as b:
        await until(lambda: a.of(CLUSTER) and b.of(CLUSTER))
        assert (set(a.of(CLUSTER)), set(b.of(CLUSTER))) == ({"of a"}, {"of b"})


async def test_a_moved_client_is_brought_to_the_other_key_on_its_open_stream(tmp_path: Path) -> None:
    server, s = Server(), tmp_path / "s"
    server.publish("a", snapshot_of([(CLUSTER, "both", b""), (CLUSTER, "of a", b"1")]))
    server.publish("b", snapshot_of([(CLUSTER, "both", b""), (CLUSTER, "of b", b"2")]))
    async with serving(server, s), following(s, "a") as a:
        await until(lambda: set(a.of(CLUSTER)) == {"both", "of a"})
        assert server.move("a", "b", {"nobody"}) == 0
        assert server.move("a", "b", {"me"}) == 1
        await until(lambda: set(a.of(CLUSTER)) == {"both", "of b"})
        assert (server.connected("a"), server.connected("b"), a.problem) == (0, 1, "")
        server.publish("a", snapshot_of([(CLUSTER, "newer", b"")]))
        generation = server.publish("b", snapshot_of([(CLUSTER, "of b", b"3")]))
        assert await server.acknowledged("b", generation)
        assert set(a.of(CLUSTER)) == {"of b"}


async def test_a_dropped_client_is_told_why(tmp_path: Path) -> None:
    server = Server()
    generation = server.publish("k", content(1))
    async with serving(server, tmp_path / "s"), following(tmp_path / "s") as follower:
        assert await server.acknowledged("k", generation, types=(SEAL,))
        server.drop({"me"}, "revoked")
        await until(lambda: follower.problem)
        assert follower.problem == "PERMISSION_DENIED: revoked"


async def test_what_is_told_beside_the_snapshot_comes_once_and_is_no_part_of_it(tmp_path: Path) -> None:
    server = Server()
    async with serving(server, tmp_path / "s"), grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        told: list[tuple[str, Mapping[str, bytes]]] = []
        follower = Follower(
            channel, node_id="n", metadata={KEY: "k"}, beside=lambda kind, body: told.append((kind, body))
        )
        server.publish("k", content(1))
        updates = follower.updates()
        await anext(updates)
        assert server.names() == {"me"}
        assert not server.tell("somebody else", "beside", {"a": b"b"})
        assert server.tell("me", "beside", {"a": b"b"})
        async for _ in updates:
            if follower.of(SEAL):
                break
        server.publish("k", content(2))
        async for _ in updates:
            if not diff(follower.snapshot, content(2)):
                break
        assert told == [("beside", {"a": b"b"})]


async def test_a_client_that_does_not_read_holds_nobody_up_and_gets_the_newest_in_the_end(tmp_path: Path) -> None:
    server = Server()
    async with serving(server, tmp_path / "s"), grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        lazy = Follower(channel, node_id="lazy", metadata={KEY: "k"}, types=PUSH_ORDER)
        server.publish("k", content(0, size=40_000))
        updates = lazy.updates()
        await anext(updates)  # it reads one response and then nothing for a while
        async with following(tmp_path / "s") as keen:
            for revision in range(1, 20):
                server.publish("k", content(revision, size=40_000 + revision))
                await until(lambda r=revision: keen.of(SEAL).get("seal") == content(r).of(SEAL)["seal"])
        read = 0
        async for _ in updates:
            read += 1
            if lazy.of(SEAL) and not diff(lazy.snapshot, content(19, size=40_019)):
                break
        assert read < 60  # far fewer than 20 revisions of 8 responses each
        await updates.aclose()


async def test_a_small_revision_is_one_message_and_a_large_one_several(tmp_path: Path) -> None:
    server, opening = (
        Server(),
        [discovery.DeltaDiscoveryRequest(type_url=t).SerializeToString() for t in (CLUSTER, SEAL)],
    )
    server.publish("k", content(1))
    async with serving(server, tmp_path / "s"), grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        method = channel.stream_stream(f"/{OWN_SERVICE}/{PACKED_METHOD}")
        call: grpc.aio.StreamStreamCall[bytes, bytes] = method(metadata=((KEY, "k"),))
        await call.write(PACKED.join(opening))
        assert [response.type_url for response in await read(call)] == [CLUSTER, SEAL]
        server.publish("k", content(2, size=20_000))  # 1 MB
        messages = [await read(call)]
        while messages[-1][-1].type_url != SEAL:
            messages.append(await read(call))
        assert [len(message) for message in messages] == [1] * 5
        assert sum(len(response.resources) for message in messages for response in message) == 51
        call.cancel()


async def read(call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> "list[discovery.DeltaDiscoveryResponse]":
    body = await asyncio.wait_for(call.read(), 10)
    assert isinstance(body, bytes)
    return [discovery.DeltaDiscoveryResponse.FromString(message) for message in PACKED.split(body)]


async def test_fifty_clients_that_come_at_once_all_get_everything(tmp_path: Path) -> None:
    server = Server()
    whole = content(1, size=60_000)  # 3 MB
    server.publish("k", whole)
    async with serving(server, tmp_path / "s"):
        channels = [
            grpc.aio.insecure_channel(
                f"unix:{tmp_path / 's'}", options=(*UNLIMITED, ("grpc.use_local_subchannel_pool", 1))
            )
            for _ in range(50)
        ]
        followers = [Follower(c, node_id=str(n), metadata={KEY: "k"}) for n, c in enumerate(channels)]

        async def sync(follower: Follower) -> None:
            async for _ in follower.updates():
                if follower.of(SEAL):
                    return

        async with asyncio.timeout(20):
            await asyncio.gather(*(sync(f) for f in followers))
        assert all(not diff(f.snapshot, whole) for f in followers)
        await asyncio.gather(*(c.close() for c in channels))
