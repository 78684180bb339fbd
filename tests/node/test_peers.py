"""Nodes of one group help each other out: who is given a copy, who is not, and how another address is found."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gatefleet import pki, sealed
from gatefleet.errors import Conflict, GatefleetError, Invalid
from gatefleet.node.peers import Peers, PeerServer, split
from gatefleet.pki import Bundle
from gatefleet.snapshot import HOST, snapshot_of
from tests.node.conftest import content, kept, running
from tests.node.manager_twin import Twin
from tests.ports import free_ports

pytestmark = pytest.mark.anyio

CONTENT = snapshot_of([(HOST, "h.com", b"x" * 3_000_000)])  # more than one piece


@dataclass
class Peer:
    """A node that serves its copy."""

    name: str
    identity: Bundle
    copy: Path


@asynccontextmanager
async def peer(directory: Path, identity: Bundle, bind: str = "127.0.0.1") -> AsyncIterator[Peer]:
    directory.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    found = Peer(f"{bind}:{port}", identity, directory / "snapshot.bin")
    server = PeerServer(bind, port, found.copy, lambda: found.identity)
    await server.start()
    try:
        yield found
    finally:
        await server.stop()


async def asked(identity: Bundle, *peers: Peer, least: int = 0) -> int | None:
    found = await Peers([each.name for each in peers]).newer(identity, least)
    return found.seal.revision if found else None


async def test_a_node_of_the_group_gets_the_newest_copy_that_is_new_enough(tmp_path: Path) -> None:
    twin = Twin()
    async with peer(tmp_path / "a", twin.bundle("a")) as one, peer(tmp_path / "b", twin.bundle("b")) as two:
        assert await asked(twin.bundle("c"), one, two) is None
        one.copy.write_bytes(twin.copy(CONTENT, 3))
        two.copy.write_bytes(twin.copy(CONTENT, 4))
        assert await asked(twin.bundle("c"), one, two) == 4
        assert await asked(twin.bundle("c"), one, two, least=4) == 4
        assert await asked(twin.bundle("c"), one, two, least=5) is None
        two.copy.write_bytes(twin.copy(CONTENT, 9)[:-1])
        assert await asked(twin.bundle("c"), one, two) == 3
        with pytest.raises(Invalid, match=f"the copy of the peer {two.name} is refused: the copy was changed"):
            await asked(twin.bundle("c"), two)


async def test_nobody_else_gets_anything_and_nobody_else_is_asked(tmp_path: Path) -> None:
    twin = Twin()
    async with peer(tmp_path / "a", twin.bundle("a")) as one:
        one.copy.write_bytes(twin.copy(CONTENT, 3))
        other_group = Twin(group="other", ca=twin.ca, keys=twin.keys)
        other_fleet = Twin(keys=twin.keys)
        revoked = twin.bundle("lost")
        one.identity = twin.bundle("a")
        twin.revoked = (pki.certificate_hash(revoked.certificate),)
        one.identity = Bundle(**{**fields(one.identity), "revoked": twin.revoked})
        for stranger in (other_group.bundle(), other_fleet.bundle(), revoked):
            with pytest.raises(GatefleetError, match="gives no copy"):
                await asked(stranger, one)
        with pytest.raises(GatefleetError, match="gives no copy: the client certificate is revoked"):
            await asked(revoked, one)
        anybody = Bundle(**{**fields(other_group.bundle()), "gateway_group_id": "default"})
        with pytest.raises(GatefleetError, match="belongs to another gateway group"):
            await asked(anybody, one)
    async with peer(tmp_path / "a", other_group.bundle()) as foreign:
        with pytest.raises(GatefleetError, match="gives no copy"):
            await asked(twin.bundle("c"), foreign)


def fields(bundle: Bundle) -> dict[str, object]:
    return {name: getattr(bundle, name) for name in bundle.__struct_fields__}


async def test_a_certificate_that_is_renewed_is_shown_at_once(tmp_path: Path) -> None:
    twin = Twin()
    async with peer(tmp_path / "a", twin.bundle("a", age=timedelta(days=31))) as one:
        one.copy.write_bytes(twin.copy(CONTENT, 3))
        with pytest.raises(GatefleetError, match="gives no copy"):
            await asked(twin.bundle("c"), one)
        one.identity = twin.bundle("a")
        assert await asked(twin.bundle("c"), one) == 3


async def test_a_name_stands_for_all_its_addresses(tmp_path: Path) -> None:
    twin = Twin()
    found = {each[4][0] for each in socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)}
    async with peer(tmp_path / "a", twin.bundle("a")) as one:
        one.copy.write_bytes(twin.copy(CONTENT, 3))
        one.name = one.name.replace("127.0.0.1", "localhost")
        assert "127.0.0.1" in found
        assert await asked(twin.bundle("c"), one) == 3
    with pytest.raises(GatefleetError, match="has an address"):
        await Peers(["nowhere.invalid"]).newer(twin.bundle("c"), 0)


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    async with peer(tmp_path / "a", Twin().bundle("a")) as one:
        port = int(one.name.rpartition(":")[2])
        with pytest.raises(Conflict, match="choose another with --peer-port"):
            await PeerServer("127.0.0.1", port, one.copy, lambda: one.identity).start()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("h", ("h", 7944)),
        ("h:1", ("h", 1)),
        ("[::1]", ("::1", 7944)),
        ("[::1]:5", ("::1", 5)),
        ("10.0.0.1:9", ("10.0.0.1", 9)),
    ],
)
def test_how_peers_are_written(name: str, expected: tuple[str, int]) -> None:
    assert split(name) == expected


@pytest.mark.parametrize("name", ["", ":1", "h:x", "h:0", "h:70000", "https://h", "a b"])
def test_what_is_no_peer_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="write host:7944"):
        split(name)


async def test_a_new_node_starts_from_a_peer_when_all_else_is_gone_and_the_next_dp_manager_is_found(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a"), 5)
    (dead,) = free_ports(1)
    addresses = f"https://127.0.0.1:{dead},https://127.0.0.1:{twin.port}"
    bundle = ("--bundle", f"{directory.parent}/bundle.json")
    async with running(directory, *bundle, "--dp-manager", addresses, "--peer-port", "7944") as one:
        await kept(directory, 5)  # from the second of the addresses
        assert "the next DP Manager is tried" in one.log()
        await twin.stop()
        peers = ("--peer", "127.0.0.1:1", "--peer", f"127.0.0.1:{7944 + one.offset}")
        async with running(directory.with_name("new"), *bundle, *peers) as new:
            await new.until("/a", 200)
            assert "serving revision 5 from a peer" in new.log()
            assert (await new.status("/status")).status_code == 200
            await twin.start()
            twin.publish(content(slow, "/b"), 6)
            await new.until("/b", 200)


async def test_keys_are_exchanged_with_overlap_and_what_leaked_is_of_no_use(
    twin: Twin, directory: Path, slow: int
) -> None:
    twin.publish(content(slow, "/a"), 1)
    bundle = f"{directory.parent}/bundle.json"
    async with running(directory, "--bundle", bundle) as node:
        await node.until("/a", 200)
        first = twin.keys
        twin.before, twin.keys = [first], sealed.new_snapshot_keys()
        twin.publish(content(slow, "/a", "/b"), 2)  # with the new key
        await node.until("/b", 200)
        twin.keys, second = first, twin.keys
        twin.before = [second]
        twin.publish(content(slow, "/a", "/c"), 3)  # with the old one, which is still accepted
        await node.until("/c", 200)
        twin.keys, twin.before = second, []
        twin.publish(content(slow, "/a", "/d"), 4)
        await node.until("/d", 200)
        await node.said(f"keys=['{second.key_id}']")
        twin.keys = first
        leaked = twin.seal(content(slow, "/forged"), 5)
        twin.keys = second
        twin.publish_as(content(slow, "/forged"), leaked)
        await node.said(f"sealed with a key [{first.key_id}] that this node does not know")
        assert (await node.get("/forged")).status_code == 404
        await kept(directory, 4)
    await twin.stop()
    async with running(directory) as node:  # the copy on disk is one of the new key
        await node.until("/d", 200)
