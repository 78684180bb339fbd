"""A node without a control plane and without a disk: what it starts from, what it refuses, and its way back."""

from pathlib import Path

import pytest

from gatefleet.buckets import Bucket, Name, config_bucket
from tests import buckets
from tests.buckets import fallback, variables
from tests.node.conftest import content, kept, running
from tests.node.manager_twin import Twin

pytestmark = pytest.mark.anyio


async def written(bucket: Bucket, twin: Twin, revision: int, body: bytes) -> None:
    await bucket.write(Name(revision, 1_800_000_000, twin.keys.key_id, twin.group, "snapshot"), body)


async def test_it_starts_from_the_bucket_takes_newer_copies_only_and_follows_the_control_plane_again(
    twin: Twin, directory: Path, slow: int, s3: str
) -> None:
    given = buckets.s3_buckets(s3)
    bucket = config_bucket(fallback(given))
    assert bucket
    port = twin.port
    await twin.stop()
    await written(bucket, twin, 3, twin.copy(content(slow, "/three", keys=("one",)), 3))
    environment = variables("node", {**given, "fallback_interval": "1"})
    async with running(directory, "--bundle", f"{directory.parent}/bundle.json", environment=environment) as node:
        await node.until("/three", 200, apikey="one")
        assert (await node.get("/three")).status_code == 401
        await node.until_status("/status", 200)
        assert "serving revision 3 from the copy in the bucket" in node.log()
        forged = bytearray(twin.copy(content(slow, "/forged"), 9))
        forged[len(forged) // 2] ^= 1
        await written(bucket, twin, 9, bytes(forged))
        await node.tells("/status/ready", "in the bucket is refused: the copy was changed")
        old = twin.copy(content(slow, "/old"), 2)  # an old copy under a new name
        await written(bucket, twin, 10, old)
        await node.tells("/status/ready", "in the bucket is refused: it holds revision 2, not what its name says")
        await written(bucket, twin, 4, twin.copy(content(slow, "/four"), 4))  # behind those that are refused
        await node.until("/four", 200)
        assert (await node.get("/three", apikey="one")).status_code == 404
        twin.port = port
        await twin.start()
        twin.publish(content(slow, "/five"), 5)
        await node.until("/five", 200)
        assert await node.until_status("/status/ready", 200) == '{"status":"ok"}'
        await twin.stop()
        await written(bucket, twin, 6, twin.copy(content(slow, "/six"), 6))  # cut off, but the bucket is not
        await node.until("/six", 200)
        await kept(directory, 6)
    async with running(directory) as node:  # and it is on its disk
        await node.until("/six", 200)
