"""Many simulated nodes in one process: streams and heartbeats as real nodes make them, and no Envoy.

`python -m bench.crowd BUNDLE TARGET COUNT NAME` runs until it is ended, and says on its output, as lines of JSON, how
many of its nodes are connected whenever that changes, and when each of them was brought a revision once all were.
"""

import asyncio
import contextlib
import gc
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop

from gatefleet import VERSION, fleet
from gatefleet.errors import GatefleetError
from gatefleet.fleet import HEARTBEAT_SECONDS, Heartbeat, Machine, Proven
from gatefleet.node.link import Link
from gatefleet.node.manager import BEAT_GAP
from gatefleet.pki import Bundle
from gatefleet.snapshot import SEAL, Delta, Entry, Seal
from gatefleet.waiting import happens
from gatefleet.xds.client import Follower

LOOK_SECONDS: Final = 0.1


class Said(msgspec.Struct, omit_defaults=True):
    """A line of output."""

    connected: int
    revision: int = 0
    at: Sequence[float] = ()
    """Monotonic clock, which all processes of a machine share."""


class Node:
    """One node: follows its group and says so."""

    def __init__(self, target: str, bundle: Bundle, instance: str, crowd: "Crowd") -> None:
        self._link = Link(target, bundle)
        stated = {fleet.VERSION_HEADER: VERSION, fleet.INSTANCE_HEADER: instance}
        self.follower = Follower(self._link.channel, node_id=instance, metadata=stated)
        self._beat = Heartbeat(Machine(instance, "127.0.0.1", VERSION, (9080, 9443), 2), instance, envoy="LIVE")
        self._news = asyncio.Event()
        self._crowd = crowd

    async def follow(self) -> None:
        async for delta in self.follower.updates():
            self._forget_bodies(delta)
            if found := delta.changed.get(SEAL):
                revision = Seal.from_bytes(found["seal"].body).revision
                self._crowd.brought(revision)
                proven = (Proven(revision),)
                self._beat = msgspec.structs.replace(self._beat, applied_revision=revision, proven=proven)
                self._news.set()

    def _forget_bodies(self, delta: Delta) -> None:
        """Names and versions are all that a server is told: a thousand copies of a group need not be kept."""
        for type_url, entries in delta.changed.items():
            held = cast("dict[str, Entry]", self.follower.of(type_url))
            held.update({name: Entry(one.version, b"") for name, one in entries.items()})

    async def report(self) -> None:
        await asyncio.sleep(random.uniform(0, HEARTBEAT_SECONDS))
        while True:
            began = time.monotonic()
            with contextlib.suppress(GatefleetError):
                heard = await self._link.heartbeat(self._beat)
                if heard.trust:
                    self._beat = msgspec.structs.replace(self._beat, trust=heard.trust.version)
            await happens(self._news, HEARTBEAT_SECONDS)
            self._news.clear()
            await asyncio.sleep(max(0.0, began + BEAT_GAP - time.monotonic()))


class Crowd:
    """All nodes of this process."""

    def __init__(self, bundle: Bundle, target: str, count: int, name: str) -> None:
        self._nodes = [Node(target, bundle, f"{name}-{n}", self) for n in range(count)]
        self._at: dict[int, list[float]] = {}

    def brought(self, revision: int) -> None:
        """One more node was brought this revision just now."""
        at = self._at.setdefault(revision, [])
        at.append(time.monotonic())
        if len(at) == len(self._nodes):
            _say(Said(self.connected, revision, at))
            self._at = {r: times for r, times in self._at.items() if r > revision}

    @property
    def connected(self) -> int:
        return sum(node.follower.connected for node in self._nodes)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for node in self._nodes:
                tasks.create_task(node.follow())
                tasks.create_task(node.report())
            said = -1
            while True:
                if (connected := self.connected) != said:
                    _say(Said(said := connected))
                await asyncio.sleep(LOOK_SECONDS)


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


async def _main(bundle: Bundle, target: str, count: int, name: str) -> None:
    await Crowd(bundle, target, count, name).run()  # gRPC wants its channels made in the loop


if __name__ == "__main__":
    gc.disable()  # its pauses would be taken for the DP Manager's
    uvloop.run(_main(Bundle.from_json(Path(sys.argv[1]).read_bytes()), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
