"""The order of trust as a table: which copies there are, how they are, and which one a node takes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatefleet import sealed
from gatefleet.buckets import Bucket, Name, config_bucket
from gatefleet.errors import GatefleetError
from gatefleet.node.copies import DiskCopy, Revision
from gatefleet.node.elsewhere import BucketCopies
from gatefleet.node.judge import Copy, Seen, judge
from gatefleet.node.peers import Peers, PeerServer
from gatefleet.snapshot import HOST, snapshot_of
from tests import buckets
from tests.buckets import fallback
from tests.node.manager_twin import Twin
from tests.ports import free_ports

pytestmark = pytest.mark.anyio

CONTENT = snapshot_of([(HOST, "h.com", b"x")])
FLOOR = 5


@dataclass
class Places:
    """Where a node looks, each to be filled as a case says."""

    twin: Twin
    disk: DiskCopy
    bucket: Bucket
    served: Path
    peer: str

    async def fill(self, place: str, body: bytes, revision: int) -> None:
        match place:
            case "disk":
                self.disk.file.write_bytes(body)
            case "bucket":
                await self.bucket.write(Name(revision, 1_800_000_000, "k", self.twin.group, "snapshot"), body)
            case _:
                self.served.write_bytes(body)

    async def taken(self) -> tuple[str, int, str]:
        """Place and revision of what is taken, and everything that was said of what was not."""
        identity, found, said = self.twin.bundle(), dict[str, Revision](), list[str]()
        try:
            if disk := self.disk.read(identity):
                found["disk"] = disk
        except GatefleetError as error:
            said.append(str(error))
        for place in (BucketCopies(self.bucket), Peers([self.peer])):
            try:
                if copy := await place.newer(identity, FLOOR):
                    found[place.source] = copy
            except GatefleetError as error:
                said.append(str(error))
        copies = {place: Copy(place, r.seal.revision, 1) for place, r in found.items()}  # type: ignore[arg-type]
        disk = copies.pop("disk", None)
        choice = judge(Seen(disk=disk, elsewhere=tuple(copies.values()), floor=FLOOR)).serve
        return (choice.source, choice.revision, " ".join(said)) if choice else ("", 0, " ".join(said))


@pytest.fixture
async def places(tmp_path: Path, s3: str) -> AsyncIterator[Places]:
    twin, bucket = Twin(), config_bucket(fallback(buckets.s3_buckets(s3)))
    (port,) = free_ports(1)
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "snapshot.floor").write_text(f'{{"group":"default","revision":{FLOOR}}}')
    server = PeerServer("127.0.0.1", port, tmp_path / "served", lambda: twin.bundle("peer"))
    await server.start()
    assert bucket
    yield Places(twin, DiskCopy(tmp_path / "node"), bucket, tmp_path / "served", f"127.0.0.1:{port}")
    await server.stop()


def changed(body: bytes) -> bytes:
    return body[:-1] + bytes((body[-1] ^ 1,))


GOOD, CUT, CHANGED, FOREIGN, FORGED, STRANGE = "good", "cut", "changed", "another group's", "forged", "unknown key"
OLD = "older than held"


def copy(twin: Twin, how: str, revision: int) -> bytes:
    """A copy of `revision` in this state."""
    whole = twin.copy(CONTENT, revision)
    match how:
        case "cut":
            return whole[: len(whole) // 2]
        case "changed":
            return changed(whole)
        case "another group's":
            return Twin(group="other", keys=twin.keys).copy(CONTENT, revision)
        case "forged":  # by somebody who can read copies, and so has the key they are encrypted with
            forger = sealed.new_snapshot_keys()
            keys = sealed.SnapshotKeys(twin.keys.key_id, forger.seal, twin.keys.copy)
            return Twin(keys=keys).copy(CONTENT, revision)
        case "unknown key":
            return Twin().copy(CONTENT, revision)
        case _:
            return whole


TABLE: list[tuple[dict[str, tuple[str, int]], tuple[str, int], str]] = [
    ({}, ("", 0), ""),
    ({"disk": (GOOD, 6)}, ("disk", 6), ""),
    ({"bucket": (GOOD, 6)}, ("bucket", 6), ""),
    ({"peer": (GOOD, 6)}, ("peer", 6), ""),
    ({"disk": (GOOD, 6), "bucket": (GOOD, 6), "peer": (GOOD, 6)}, ("disk", 6), ""),
    ({"bucket": (GOOD, 6), "peer": (GOOD, 6)}, ("bucket", 6), ""),
    ({"disk": (GOOD, 6), "bucket": (GOOD, 7), "peer": (GOOD, 6)}, ("bucket", 7), ""),
    ({"disk": (GOOD, 6), "bucket": (GOOD, 7), "peer": (GOOD, 8)}, ("peer", 8), ""),
    ({"disk": (GOOD, 8), "bucket": (GOOD, 7), "peer": (GOOD, 6)}, ("disk", 8), ""),
    ({"disk": (OLD, 4), "bucket": (GOOD, 5)}, ("bucket", 5), "the copy on disk is refused: its revision 4 is older"),
    ({"disk": (OLD, 4), "bucket": (OLD, 4), "peer": (OLD, 4)}, ("", 0), "its revision 4 is older than revision 5"),
    ({"disk": (CHANGED, 9), "bucket": (GOOD, 6)}, ("bucket", 6), "the copy on disk is refused: the copy was changed"),
    ({"disk": (CUT, 9), "peer": (GOOD, 6)}, ("peer", 6), "the copy on disk is refused"),
    ({"bucket": (CUT, 9), "peer": (GOOD, 6)}, ("peer", 6), "in the bucket is refused"),
    ({"bucket": (CHANGED, 9), "peer": (GOOD, 6)}, ("peer", 6), "in the bucket is refused: the copy was changed"),
    ({"disk": (GOOD, 6), "peer": (CHANGED, 9)}, ("disk", 6), "is refused: the copy was changed"),
    (
        {"disk": (FORGED, 9), "bucket": (FORGED, 9), "peer": (FORGED, 9)},
        ("", 0),
        "the signature of revision [9] is wrong",
    ),
    (
        {"disk": (FOREIGN, 9), "bucket": (FOREIGN, 9), "peer": (GOOD, 6)},
        ("peer", 6),
        "belongs to gateway group [other]",
    ),
    ({"disk": (GOOD, 6), "bucket": (STRANGE, 9), "peer": (STRANGE, 9)}, ("disk", 6), "that this node does not know"),
]


@pytest.mark.parametrize(("there", "expected", "said"), TABLE)
async def test_which_copy_is_taken(
    places: Places, there: dict[str, tuple[str, int]], expected: tuple[str, int], said: str
) -> None:
    for place, (how, revision) in there.items():
        await places.fill(place, copy(places.twin, how, revision), revision)
    source, revision, told = await places.taken()
    assert (source, revision) == expected
    assert said in told
    assert bool(said) == bool(told)
