"""What a node starts from when the control plane is away and something is wrong with its copies."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gatefleet import sealed
from gatefleet.buckets import Name, config_bucket
from gatefleet.node.identity import IdentityStore
from gatefleet.sealed import SnapshotKeys
from tests import buckets
from tests.buckets import fallback, variables
from tests.e2e import kit
from tests.e2e.failures.proxy import FAIR, Weather
from tests.e2e.failures.site import RECOVERY, Site
from tests.e2e.failures.traffic import told, traffic
from tests.e2e.kit import eventually

NOBODY = "http://127.0.0.1:9"
"""Where no S3 server is."""


@dataclass(frozen=True)
class Held:
    """What the node had: the copy on its disk and one of before that, and the keys to make others."""

    body: bytes
    older: bytes
    older_revision: int
    forged: bytes
    """The same content signed by somebody who has the key of copies, as all nodes have, but not the one of seals."""
    revision: int
    key_id: str


@dataclass(frozen=True)
class Case:
    """What lies where; None is nothing. The log has to tell `says`."""

    says: str
    disk: Callable[[Held], bytes] | None = None
    bucket: Callable[[Held], tuple[int, bytes]] | None = None
    s3: str | None = None
    """Where the bucket is meant to be, if not where it is."""


CASES = {
    "changed": Case("the copy on disk is refused: the copy was changed", disk=lambda held: _flipped(held.body)),
    "truncated": Case("the copy on disk is refused", disk=lambda held: held.body[: len(held.body) // 2]),
    "forged": Case("the copy on disk is refused: the signature of revision", disk=lambda held: held.forged),
    "bucket-unreachable": Case("no copy from elsewhere", s3=NOBODY),
    "bucket-stale": Case("", bucket=lambda held: (held.older_revision, held.older)),
    "bucket-forged": Case("the signature of revision", bucket=lambda held: (held.revision, held.forged)),
}


def test_a_node_refuses_every_copy_that_is_not_right_and_starts_from_another_node(site: Site) -> None:
    older = eventually(lambda: _copy(site))  # it is written soon after it is served
    older_revision = site.copy("far").seal.revision
    site.converges("newest")
    eventually(lambda: site.copy("far").seal.revision > older_revision)
    held = _held(site, older, older_revision)
    with traffic(site.port("near")) as near, buckets.s3() as s3, contextlib.ExitStack() as stack:
        site.to_dpm.set(Weather(cut=True))
        stack.callback(site.to_dpm.set, FAIR)
        nodes = {name: stack.enter_context(_node(site, name, case, held, s3)) for name, case in CASES.items()}
        for name, node in nodes.items():
            eventually(lambda node=node: node.get("/newest").status == 200, RECOVERY)
            # all places are asked at the same time: a bucket may still be tried while a peer has long answered
            eventually(lambda name=name: _says(site.log(name), "from a peer", CASES[name].says), RECOVERY)
        ports = [kit.PORTS["http"] + node.offset for node in nodes.values()]
        running = [stack.enter_context(traffic(port)) for port in ports]
        running[-1].wait(10)
    for name, seen in zip(CASES, running, strict=True):
        told(f"copy {name}", seen)
    told("copies, node that was asked for its own", near)


def _says(log: str, *texts: str) -> bool:
    assert all(text in log for text in texts), log[-2000:]
    return True


def _node(site: Site, name: str, case: Case, held: Held, s3: str) -> contextlib.AbstractContextManager[kit.GatewayNode]:
    """A node with the disk of `far`, but for what the case does to its copy."""
    directory = site.directory / name
    shutil.copytree(site.directory / "far", directory)
    copy = directory / "snapshot.bin"
    copy.unlink()
    if case.disk:
        copy.write_bytes(case.disk(held))
    environment = {}
    if case.bucket or case.s3:
        given = {**buckets.s3_buckets(s3), "fallback_interval": "1"}
        if case.bucket:
            asyncio.run(_put(given, case.bucket(held), held.key_id))
        environment = variables("node", {**given, "fallback_aws_s3_endpoint": case.s3 or s3})
    peer = f"127.0.0.1:{7944 + site.nodes['near'].offset}"
    options = ("--dp-manager", site.address("far"), *site.join, "--peer", peer, "--envoy-concurrency", "1")
    return kit.node(directory, *options, environment=environment)


async def _put(given: buckets.Settings, copy: tuple[int, bytes], key_id: str) -> None:
    bucket = config_bucket(fallback(given))
    assert bucket
    revision, body = copy
    await bucket.write(Name(revision, 1_800_000_000, key_id, "default", "snapshot"), body)


def _copy(site: Site) -> bytes:
    return Path(site.directory / "far" / "snapshot.bin").read_bytes()


def _held(site: Site, older: bytes, older_revision: int) -> Held:
    identity, found = IdentityStore(site.directory / "far").load(), site.copy("far")
    assert identity
    key_id, copy_key = found.seal.key_id, identity.keys_of_copies()[found.seal.key_id]
    forger = SnapshotKeys(key_id, sealed.new_snapshot_keys().seal, copy_key)
    seal = sealed.sign(msgspec.structs.replace(found.seal, revision=found.seal.revision + 1), forger)
    forged = sealed.write_copy(found.snapshot, seal, copy_key)
    return Held(_copy(site), older, older_revision, forged, seal.revision, key_id)


def _flipped(body: bytes) -> bytes:
    return body[:-1] + bytes((body[-1] ^ 1,))
