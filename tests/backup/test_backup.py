"""What `gatefleet backup` writes: whole copies of what changed, the newest of them kept, into S3 and Azure Blob."""

import asyncio
import base64
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import yaml

from gatefleet import sealed
from gatefleet.backup import reading, resources, serve
from gatefleet.backup.exporter import Exporter, Target
from gatefleet.buckets import Bucket, Name, config_bucket, resource_bucket
from gatefleet.errors import GatefleetError, Invalid, NotFound, Unreachable
from gatefleet.resources import Document
from gatefleet.settings import BackupSettings, BackupsSettings
from gatefleet.snapshot import CLUSTER
from gatefleet.store import Author, Store
from gatefleet.store.fleet_keys import snapshot_keys
from tests import buckets
from tests.buckets import fallback
from tests.conftest import MASTER_KEY
from tests.node.conftest import holds
from tests.ports import free_ports

pytestmark = pytest.mark.anyio

UPSTREAM = {"nodes": [{"host": "127.0.0.1", "port": 80, "weight": 1}]}
JACK = [
    Document("consumers", "jack", None, {"username": "jack"}),
    Document("credentials", "c", "jack", {"name": "c", "plugins": {"key-auth": {"key": "jacks-secret"}}}),
]


def service(name: str) -> Document:
    return Document("services", name, None, {"name": name, "upstream": UPSTREAM})


async def put(store: Store, *documents: Document) -> None:
    async with store.change("default", Author("test", "r")) as group:
        for document in documents:
            await group.put(document)


def targets(settings: buckets.Settings) -> tuple[Bucket, Bucket]:
    given = fallback(settings)
    snapshots, documents = config_bucket(given), resource_bucket(given)
    assert snapshots
    assert documents
    return snapshots, documents


def exporter(store: Store, settings: buckets.Settings) -> Exporter:
    snapshots, documents = targets(settings)
    return Exporter(store, MASTER_KEY, [Target("snapshot", snapshots), Target("resources", documents)], keep=3)


async def test_what_nodes_serve_and_what_people_wrote_are_in_the_bucket_whole_and_unreadable(
    store: Store, settings: buckets.Settings
) -> None:
    await put(store, service("shop"), *JACK)
    await exporter(store, settings).turn()
    snapshots, documents = targets(settings)
    (name,), (other,) = await snapshots.copies("snapshot", "default"), await documents.copies("resources")
    body, written = await snapshots.read(name), await documents.read(other)
    async with store.transaction() as connection:
        (keys,) = await snapshot_keys(connection, store.cipher, "default")
    content, seal = sealed.read_copy(body, {keys.key_id: keys.verification}, {keys.key_id: keys.copy})
    assert (seal.group, seal.revision, name.key_id) == ("default", 1, keys.key_id)
    assert any("shop" in cluster for cluster in content.of(CLUSTER))
    header, config = resources.read(written, MASTER_KEY)
    assert (header.group, header.revision) == ("default", 1)
    assert config["consumers"][0]["credentials"][0]["plugins"]["key-auth"]["key"] == "jacks-secret"
    assert b"jacks-secret" not in body + written
    flipped = written[:90] + bytes([written[90] ^ 1]) + written[91:]
    for changed in (written[:-1], written[:30], flipped, b"", body):
        with pytest.raises(Invalid):
            resources.read(changed, MASTER_KEY)
    with pytest.raises(Invalid, match="another encryption key"):
        resources.read(written, bytes(32))


async def test_only_what_changed_is_written_and_only_the_newest_is_kept(
    store: Store, settings: buckets.Settings
) -> None:
    bucket, _ = targets(settings)
    writing = exporter(store, settings)
    await writing.turn()
    first = await bucket.copies("snapshot")
    await writing.turn()
    await exporter(store, settings).turn()  # the next leader finds what the last one wrote
    assert await bucket.copies("snapshot") == first
    for number in range(4):
        await put(store, service(f"s{number}"))
        await writing.turn()
    assert [name.revision for name in await bucket.copies("snapshot", "default")] == [4, 3, 2]
    assert writing.states["default"].revision == 4
    assert await bucket.copies("snapshot", "other") == []
    with pytest.raises(NotFound):
        await bucket.read(Name(9, 1, "k", "default", "snapshot"))


async def test_a_bucket_that_fails_is_said_and_written_when_it_is_there(store: Store, s3: str) -> None:
    given = {**buckets.s3_buckets(s3), "fallback_aws_s3_resource_bucket": "not-made-yet"}
    writing, (snapshots, documents) = exporter(store, given), targets(given)
    await writing.turn()
    state = writing.states["default"]
    assert (state.failures, state.written_at) == (1, 0)
    assert state.reason.startswith("[not-made-yet] cannot be listed")
    assert await snapshots.copies("snapshot")
    buckets.make(s3, "not-made-yet")
    await writing.turn()
    assert (state.failures, state.reason) == (1, "")
    assert state.written_at > 0
    assert await documents.copies("resources")
    away, _ = targets({**given, "fallback_aws_s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(Unreachable, match="cannot be listed"):
        await away.copies("snapshot")


async def test_one_of_several_processes_writes_and_the_next_takes_over(
    store: Store, dsn: str, s3: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(base64.b64encode(MASTER_KEY).decode())
    given = buckets.s3_buckets(s3)
    common = {"dsn": dsn, "encryption_key_file": tmp_path / "key", "bind": "127.0.0.1", "fallback_interval": 1}
    ports = free_ports(2)
    running = [
        asyncio.create_task(serve.serve(BackupSettings.model_validate({**given, **common, "status_port": port})))
        for port in ports
    ]
    bucket, _ = targets(given)
    async with httpx.AsyncClient() as http:

        async def roles() -> list[str]:
            return [(await http.get(f"http://127.0.0.1:{port}/healthz")).json()["role"] for port in ports]

        async def begun() -> bool:
            return bool(await bucket.copies("snapshot")) and sorted(await roles()) == ["leader", "standby"]

        assert await holds(begun)
        leader = (await roles()).index("leader")
        page = (await http.get(f"http://127.0.0.1:{ports[leader]}/metrics")).text
        assert "gatefleet_backup_leader 1.0" in page
        assert 'gatefleet_backup_revision{gateway_group="default"} 0.0' in page
        running[leader].cancel()
        await put(store, service("late"))

        async def taken_over() -> bool:
            return [name.revision for name in await bucket.copies("snapshot")] == [1, 0]

        assert await holds(taken_over)
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_copy_of_resources_is_listed_and_printed_as_a_file_for_apply(
    store: Store, s3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(base64.b64encode(MASTER_KEY).decode())
    given = buckets.s3_buckets(s3)
    writing = exporter(store, given)
    await put(store, service("shop"), *JACK)
    await writing.turn()
    await put(store, service("late"))
    await writing.turn()

    async def printed(**more: object) -> str:
        capsys.readouterr()
        settings = BackupsSettings.model_validate({**given, "encryption_key_file": tmp_path / "key", **more})
        await asyncio.to_thread(reading.run, settings)
        return capsys.readouterr().out

    listed = [line.split()[:3] for line in (await printed()).splitlines()]
    assert listed == [["default", "revision", "2"], ["default", "revision", "1"]]
    newest, older = await printed(group="default"), await printed(group="default", revision=1)
    assert {each["name"] for each in yaml.safe_load(newest)["services"]} == {"shop", "late"}
    assert [each["name"] for each in yaml.safe_load(older)["services"]] == ["shop"]
    assert "jacks-secret" in older
    with pytest.raises(NotFound, match=r"no copy of gateway group \[default\] at revision 7"):
        await printed(group="default", revision=7)
    with pytest.raises(GatefleetError, match="--encryption-key-file"):
        await printed(group="default", encryption_key_file=None)


async def test_without_a_bucket_it_says_what_to_give(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(base64.b64encode(MASTER_KEY).decode())
    settings = BackupSettings.model_validate({"dsn": dsn, "encryption_key_file": tmp_path / "key"})
    with pytest.raises(Invalid, match="--fallback-aws-s3-config-bucket"):
        await serve.serve(settings)
    with pytest.raises(ValueError, match="in S3 or in Azure Blob, not in both"):
        fallback({"fallback_aws_s3_config_bucket": "a", "fallback_azure_blob_config_container": "b"})
