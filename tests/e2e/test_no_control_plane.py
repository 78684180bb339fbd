"""The control plane is gone: nodes go on, new ones start from the bucket, and groups come back from it."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gatefleet.buckets import config_bucket, resource_bucket
from gatefleet.up.postgres import locate
from tests import buckets
from tests.buckets import fallback, variables
from tests.e2e import kit
from tests.e2e.kit import Fleet, GatewayNode, eventually
from tests.e2e.test_groups import join
from tests.ports import free_ports


@contextmanager
def backup(fleet: Fleet, given: buckets.Settings) -> Iterator[None]:
    """`gatefleet backup` over the database of `up`."""
    (port,) = free_ports(1)
    common = {
        "dsn": locate(fleet.directory).dsn(),
        "encryption_key_file": str(fleet.directory / "encryption.key"),
        "bind": "127.0.0.1",
        "status_port": str(port),
        "fallback_interval": "1",
    }
    environment = {**os.environ, **variables("backup", {**given, **common})}
    with (fleet.directory.parent / "backup.log").open("ab") as log:
        process = subprocess.Popen([kit.GATEFLEET, "backup"], env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(40) == 0


def test_without_a_control_plane_restarted_nodes_serve_their_last_configuration_and_new_ones_the_buckets(
    upstream: int,
) -> None:
    with buckets.s3() as s3, kit.workspace() as place, ExitStack() as stack:
        given = buckets.s3_buckets(s3)
        with kit.running(place / "data") as fleet:
            manager = ("--dp-manager", f"https://127.0.0.1:{fleet.port('dpm_tls')}")
            protected(fleet, "default", upstream)
            revision = int(fleet.call("GET", "/api/gateway_groups/default/config").headers["x-gateway-group-revision"])
            made = fleet.call("POST", "/api/gateway_groups/default/dp_client_certificates", {}).json()["value"]
            (place / "bundle.json").write_text(made["bundle"])
            group, token = join(fleet, "orphans")
            kept = protected(fleet, group, upstream)
            orphan = stack.enter_context(kit.node(place / "orphan", *manager, "--token", token))
            eventually(lambda: orphan.get("/a", apikey="jacks-key").status == 200)
            orphan.keeps(group, kept)
            with backup(fleet, given):
                eventually(lambda: newest(given) == revision, every=0.2)
        goes_on(orphan, place, manager)
        fallback = {**variables("node", given), "GATEFLEET_NODE_FALLBACK_INTERVAL": "1"}
        options = ("--bundle", f"{place}/bundle.json", *manager)
        with kit.node(place / "fresh", *options, environment=fallback) as node:
            eventually(lambda: node.get("/a", apikey="jacks-key").status == 200)
            assert node.get("/a").status == 401
            assert node.status("/status/ready").status == 503
            with kit.running(place / "data", offset=fleet.offset) as fleet:
                fleet.route("b", "s", "/b")
                eventually(lambda: node.get("/b").status == 200)
                assert node.status("/status/ready").status == 200
                comes_back(fleet, given, place)


def protected(fleet: Fleet, group: str, upstream: int) -> int:
    """A route that asks for a key, and somebody who has one; the group's revision."""
    fleet.service("s", upstream, group=group)
    fleet.route("a", "s", "/a", group=group, plugins={"key-auth": {}})
    fleet.put("consumers/jack", {"username": "jack"}, group=group)
    key = {"name": "c", "plugins": {"key-auth": {"key": "jacks-key"}}}
    fleet.put("consumers/jack/credentials/c", key, group=group)
    return int(fleet.call("GET", f"/api/gateway_groups/{group}/config").headers["x-gateway-group-revision"])


def goes_on(orphan: GatewayNode, place: Path, manager: tuple[str, str]) -> None:
    """It serves from its disk what it served, also when agent and Envoy were killed and started again."""
    for _ in range(20):
        assert orphan.get("/a", apikey="jacks-key").status == 200
    eventually(lambda: orphan.status("/status/ready").status == 503)
    orphan.kill()
    with kit.node(place / "orphan", *manager, offset=orphan.offset) as again:
        eventually(lambda: again.get("/a", apikey="jacks-key").status == 200)
        assert again.get("/a").status == 401
        eventually(lambda: again.status("/status").status == 200)
        assert again.status("/status/ready").status == 503


def newest(given: buckets.Settings) -> int:
    """The newest revision of the group that is in both buckets, for nodes and for people."""
    snapshots, documents = config_bucket(fallback(given)), resource_bucket(fallback(given))
    assert snapshots
    assert documents
    found = [
        asyncio.run(snapshots.copies("snapshot", "default")),
        asyncio.run(documents.copies("resources", "default")),
    ]
    return min(names[0].revision if names else -1 for names in found)


def comes_back(fleet: Fleet, given: buckets.Settings, place: Path) -> None:
    """The group's resources are put into a fresh group, by the commands of the guide."""
    fresh = fleet.call("POST", "/api/gateway_groups", {"name": "fresh"}, group=None).json()["value"]["id"]
    key = ("--encryption-key-file", str(fleet.directory / "encryption.key"))
    environment = {**os.environ, **variables("backup", given), "GATEFLEET_SERVER": fleet.url("admin")}
    token = fleet.call("POST", "/api/tokens", {"name": "restore", "expires_at": 0}).json()["value"]["token"]
    environment["GATEFLEET_TOKEN"] = token
    file = place / "default.yaml"
    with file.open("wb") as out:
        subprocess.run([kit.GATEFLEET, "backups", "--group", "default", *key], env=environment, stdout=out, check=True)
    subprocess.run([kit.GATEFLEET, "apply", "-g", fresh, "-f", file], env=environment, check=True, timeout=90)
    config = fleet.call("GET", f"/api/gateway_groups/{fresh}/config?secrets=true").json()["value"]
    assert config["services"][0]["routes"][0]["paths"] == ["/a"]
    assert config["consumers"][0]["credentials"][0]["plugins"]["key-auth"]["key"] == "jacks-key"
