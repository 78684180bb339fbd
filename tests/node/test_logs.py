"""Log entries from the ring to their sinks: in batches, again after a failure, counted when lost."""

import asyncio
import contextlib
import json
import mmap
import struct
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatefleet.native.ring import MAGIC, NAME
from gatefleet.node.logs.rules import judged
from gatefleet.node.logs.shipping import Shipper
from gatefleet.node.logs.sinks import Places
from tests.xds.xds_client import until

pytestmark = pytest.mark.anyio
HEAD = 4096
SIZE = 1 << 16


class Writer:
    """What the module does in Envoy: entries into a ring."""

    def __init__(self, run_dir: Path) -> None:
        path = run_dir / NAME
        path.write_bytes(MAGIC + struct.pack("=Q", SIZE) + bytes(HEAD - 16 + SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._at = 0

    def put(self, sink: dict[str, Any], entry: object) -> None:
        config, body = json.dumps(sink).encode(), json.dumps(entry).encode()
        record = struct.pack("=II", 4 + len(config) + len(body), len(config)) + config + body
        record += bytes(-len(record) % 8)
        self._map[HEAD + self._at : HEAD + self._at + len(record)] = record
        self._at += len(record)
        self._map[64:72] = struct.pack("=Q", self._at)


@contextlib.asynccontextmanager
async def shipping(run_dir: Path, below: Path | None = None) -> AsyncGenerator[Shipper]:
    shipper = Shipper(run_dir, Places(run_dir, below or run_dir))
    task = asyncio.create_task(shipper.run())
    try:
        yield shipper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await shipper.stop()


def http(port: int, **batch: float) -> dict[str, Any]:
    usual = {"size": 1000, "inactive": 5, "duration": 60, "retries": 0, "delay": 0, "pending": 1000}
    where = {"uri": f"http://127.0.0.1:{port}/", "authorization": "", "timeout": 1, "verify": False, "lines": False}
    return {"kind": "http", "name": "test", "owner": "route:r", **where, "batch": {**usual, **batch}}


@contextlib.asynccontextmanager
async def server(*codes: int) -> AsyncGenerator[tuple[int, list[Any]]]:
    """A server that answers these codes one after the other, then 200; its port and what was posted."""
    bodies: list[Any] = []
    left = list(codes)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                bodies.append(json.loads(await reader.readexactly(size)))
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % (left.pop(0) if left else 200))
                await writer.drain()
        writer.close()

    found = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield found.sockets[0].getsockname()[1], bodies
    finally:
        found.close()


def lost(shipper: Shipper) -> dict[str, float]:
    family = {family.name: family for family in shipper.families()}["gatefleet_log_entries_lost"]
    return {labels["reason"]: count for _, labels, count in family.lines if count}


async def test_entries_go_in_batches_and_what_is_left_at_the_end_too(tmp_path: Path) -> None:
    async with server() as (port, bodies):
        async with shipping(tmp_path):
            writer = Writer(tmp_path)
            for number in range(5):
                writer.put(http(port, size=2), number)
            await until(lambda: len(bodies) >= 2)
            assert bodies == [[0, 1], [2, 3]]
        assert bodies == [[0, 1], [2, 3], [4]]


async def test_a_batch_is_tried_again_and_lost_in_the_end(tmp_path: Path) -> None:
    async with server(500, 503, 500) as (port, bodies), shipping(tmp_path) as shipper:
        writer = Writer(tmp_path)
        writer.put(http(port, size=1, retries=1), "first")
        await until(lambda: lost(shipper) == {"not taken": 1})
        assert bodies == ["first", "first"]
        writer.put(http(port, size=1, retries=1), "second")
        await until(lambda: len(bodies) == 4)
        assert bodies[2:] == ["second", "second"]
        assert lost(shipper) == {"not taken": 1}


async def test_what_finds_no_room_or_no_sink_is_counted(tmp_path: Path) -> None:
    async with shipping(tmp_path) as shipper:
        writer = Writer(tmp_path)
        for number in range(5):
            writer.put(http(1, pending=3, inactive=600), number)
        writer.put({"kind": "pigeon", "name": "p"}, 1)
        await until(lambda: lost(shipper) == {"too many wait": 2, "no such sink": 1})


async def test_files_stay_where_the_node_wants_them(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path)
    async with shipping(tmp_path, tmp_path / "allowed") as shipper:
        writer = Writer(tmp_path)
        for path in ("allowed/deep/a.log", "outside.log", "allowed/link/b.log"):
            writer.put({"kind": "file", "name": "f", "owner": "", "path": path}, path)
        await until(lambda: lost(shipper) == {"not taken": 2})
    assert json.loads((tmp_path / "allowed" / "deep" / "a.log").read_text()) == "allowed/deep/a.log"
    assert not (tmp_path / "outside.log").exists()
    assert not (tmp_path / "b.log").exists()


def test_rules_decide_what_is_sent() -> None:
    entry = {"vars": {"status": "404"}, "entry": {"request": {"body": "a"}, "response": {"body": "b"}}}
    rules = {"match": [["status", ">=", 400]], "request_body": [["status", "==", 200]]}
    sent = judged(rules, msgspec.json.encode(entry))
    assert sent
    assert json.loads(sent) == {"request": {}, "response": {"body": "b"}}
    assert judged({"match": [["status", "<", 400]]}, msgspec.json.encode(entry)) is None
