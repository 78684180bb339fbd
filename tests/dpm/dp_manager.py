"""A DP Manager on free ports over a real database, and what nodes do with it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import httpx
import msgspec
from sqlalchemy import text

from gatefleet import VERSION, fleet, pki
from gatefleet.dpm import serve
from gatefleet.fleet import Enroll, Enrolled, Heard, Heartbeat, Machine, Renew
from gatefleet.pki import Pair
from gatefleet.resources import Document
from gatefleet.settings import DpmSettings
from gatefleet.snapshot import SEAL, Seal, Snapshot
from gatefleet.store import Author, Store
from gatefleet.store import fleet as fleets
from gatefleet.store.authority import authorities
from gatefleet.xds.client import Follower
from gatefleet.xds.wire import UNLIMITED
from tests.ports import free_ports
from tests.xds.xds_client import until

MACHINE = Machine("host-1", "10.0.0.1", VERSION, ports=(9080,), cores=2)


@dataclass
class DpManager:
    """A running DP Manager; the store is the test's own way into the database."""

    store: Store
    settings: DpmSettings
    ca: str = ""
    running: asyncio.Task[None] = field(init=False)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.settings.tls_port}"

    async def start(self) -> None:
        self.running = asyncio.create_task(serve.run(self.settings))
        # it speaks no TLS, and to load all that is trusted takes 30 ms
        async with asyncio.timeout(60), httpx.AsyncClient(timeout=5, verify=False) as http:  # noqa: S501
            while True:
                if self.running.done():
                    self.running.result()
                with suppress(httpx.HTTPError):
                    if (await http.get(f"http://127.0.0.1:{self.settings.http_port}/healthz")).is_success:
                        break
                await asyncio.sleep(0.02)
        async with self.store.transaction() as connection:
            self.ca = (await authorities(connection, self.store.cipher)).serving.certificate

    async def stop(self) -> None:
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def token(self, group: str = "default") -> str:
        async with self.store.transaction() as connection:
            return (await fleets.mint_join_token(connection, self.store.cipher, group))[1]

    async def bundle(self, group: str = "default") -> Pair:
        async with self.store.transaction() as connection:
            made = await fleets.issue_client_bundle(connection, self.store.cipher, group)
        return Pair(made["certificate"], made["private_key"])

    async def make_group(self, name: str) -> None:
        await self.sql("insert into gateway_group (id, name, type) values (:n, :n, 'api7_gateway')", n=name)

    async def sql(self, statement: str, **values: object) -> None:
        async with self.store.transaction() as connection:
            await connection.execute(text(statement), values)

    async def put(self, group: str, *documents: Document) -> None:
        async with self.store.change(group, Author("test", "r")) as documents_of_group:
            for document in documents:
                await documents_of_group.put(document)


@dataclass
class Node:
    """A client with or without a certificate."""

    channel: grpc.aio.Channel

    async def call(self, method: str, body: msgspec.Struct, **headers: str) -> bytes:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method)
        return await call(msgspec.msgpack.encode(body), timeout=30, metadata=tuple(headers.items()))

    async def enroll(self, token: str, csr: str, instance: str = "node-1", machine: Machine = MACHINE) -> Enrolled:
        body = await self.call(fleet.ENROLL, Enroll(token, csr, instance, machine))
        return msgspec.msgpack.decode(body, type=Enrolled)

    async def renew(self, csr: str, instance: str = "") -> Enrolled:
        return msgspec.msgpack.decode(await self.call(fleet.RENEW, Renew(csr, instance)), type=Enrolled)

    async def beat(self, machine: Machine = MACHINE, instance: str = "", trust: str = "", **headers: str) -> Heard:
        beat = Heartbeat(machine, instance, envoy="LIVE", problems={"x\0y": "z" * 9999}, trust=trust)
        return await self.tell(beat, **headers)

    async def tell(self, said: msgspec.Struct, **headers: str) -> Heard:
        """A stream of one heartbeat."""
        beats: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(fleet.HEARTBEATS)
        async with asyncio.timeout(5):
            call = beats([msgspec.msgpack.encode(said)], metadata=tuple(headers.items()))
            (body,) = [answer async for answer in call]
        return msgspec.msgpack.decode(body, type=Heard)

    @asynccontextmanager
    async def following(self, *, held: Snapshot | None = None, **headers: str) -> AsyncIterator["Following"]:
        following = Following(Follower(self.channel, node_id="default", metadata=headers, held=held))
        task = asyncio.create_task(following.take())
        try:
            yield following
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@dataclass
class Following:
    """A stream that is read in the background."""

    follower: Follower
    brought: list[str] = field(default_factory=list[str])
    """Type URLs of the resources received."""
    received: int = 0
    """Bytes of them."""

    async def take(self) -> None:
        async for delta in self.follower.updates():
            self.brought += [t for t, entries in delta.changed.items() for _ in entries]
            self.received += sum(len(e.body) for entries in delta.changed.values() for e in entries.values())

    @property
    def seal(self) -> Seal | None:
        sealed = self.follower.of(SEAL).get("seal")
        return Seal.from_bytes(sealed.body) if sealed else None

    async def revision(self, wanted: int) -> Seal:
        await until(lambda: self.seal and self.seal.revision >= wanted)
        assert self.seal
        return self.seal

    async def problem(self) -> str:
        await until(lambda: self.follower.problem)
        return self.follower.problem


@asynccontextmanager
async def node(manager: DpManager, pair: Pair | None = None, ca: str = "") -> AsyncIterator[Node]:
    credentials = grpc.ssl_channel_credentials(
        (ca or manager.ca).encode(),
        pair.key.encode() if pair else None,
        pair.certificate.encode() if pair else None,
    )
    options = (*UNLIMITED, ("grpc.ssl_target_name_override", pki.SERVER_NAME), ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.secure_channel(manager.target, credentials, options=options) as channel:
        yield Node(channel)


@asynccontextmanager
async def dp_manager(store: Store, dsn: str, key: bytes, folder: Path, **settings: object) -> AsyncIterator[DpManager]:
    (folder / "key").write_text(base64.b64encode(key).decode())
    http, tls = free_ports(2)
    given = {
        "bind": "127.0.0.1",
        "dsn": dsn,
        "encryption_key_file": folder / "key",
        "data_dir": folder / "dpm",
        **settings,
    }
    manager = DpManager(store, DpmSettings.model_validate({"http_port": http, "tls_port": tls, **given}))
    await manager.start()
    try:
        yield manager
    finally:
        await manager.stop()
