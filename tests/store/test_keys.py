"""Keys are exchanged while everything runs: nothing is lost, nothing stands still, and old keys open nothing new."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import MASTER_KEY
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from gatefleet.cli import app
from gatefleet.errors import GatefleetError
from gatefleet.resources import Document
from gatefleet.settings import KeySettings
from gatefleet.store import Author, Store, fleet, keys
from gatefleet.store.authority import authorities
from gatefleet.store.crypto import WrongKey, new_key
from gatefleet.store.master import master_key
from gatefleet.store.reseal import COLUMNS, reseal
from gatefleet.store.tables import metadata

pytestmark = pytest.mark.anyio
OTHER = new_key()
ME = Author("me", "r")


def credential(secret: str) -> Document:
    return Document("credentials", "k", "c", {"plugins": {"key-auth": {"key": secret}}})


async def write(store: Store, secret: str) -> None:
    async with store.change("default", ME) as documents:
        await documents.put(Document("consumers", "c", None, {"username": "c"}))
        await documents.put(credential(secret))


async def secrets(store: Store) -> list[str]:
    """Of every revision there is, in clear."""
    newest = (await store.revisions())["default"]
    found = [await store.read_at("default", revision) for revision in range(1, newest + 1)]
    return [d.body["plugins"]["key-auth"]["key"] for held in found for d in held if d.kind == "credentials"]


async def numbers(store: Store) -> set[str]:
    """Of the keys that credentials are encrypted with."""
    query = "select distinct split_part(body #>> '{plugins,key-auth,key}', '.', 1) from %s where kind = 'credentials'"
    async with store.reading() as connection:
        found = [await connection.execute(text(query % table)) for table in ("resource", "resource_history")]
    return {number for rows in found for number in rows.scalars()}


async def test_a_new_data_key_is_taken_up_while_secrets_are_written_and_read(dsn: str, store: Store) -> None:
    other = await Store.open(dsn, MASTER_KEY, pool_size=2)
    async with store.transaction() as connection:
        certificate = (await authorities(connection, store.cipher)).serving
        await fleet.mint_join_token(connection, store.cipher, "default")
    await write(store, "one")
    before = store.cipher.sealing

    async with store.transaction() as connection:
        number = await keys.announce(connection, MASTER_KEY, timedelta(seconds=2))
    writing = asyncio.create_task(again_and_again(lambda: write(other, "two")))
    async with store.reading() as connection:
        other.cipher.learn(await keys.read(connection, MASTER_KEY))
        assert other.cipher.sealing == before, "announced is not in use yet"
    await asyncio.sleep(2.1)
    for one in (store, other):
        async with store.reading() as connection:
            one.cipher.learn(await keys.read(connection, MASTER_KEY))
        assert one.cipher.sealing == number
    count = await reseal(store.engine, store.cipher)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing

    await reseal(store.engine, store.cipher)
    assert count >= 2
    assert await numbers(store) == {str(number)}
    assert await reseal(store.engine, store.cipher) == 0
    assert set(await secrets(store)) == {"one", "two"}
    del store.cipher.keys[before]  # type: ignore[attr-defined] - a plain dict
    assert set(await secrets(store)) == {"one", "two"}, "the old key is not needed any more"
    async with store.transaction() as connection:
        assert (await authorities(connection, store.cipher)).serving == certificate
    await other.close()


async def again_and_again(work: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await work()


async def test_every_column_that_is_sealed_is_encrypted_anew() -> None:
    known = {(each.table.name, each.paths or each.column) for each in COLUMNS}
    sealed = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.name == "sealed" or (column.name.startswith("sealed_") and column.name != "sealed_at")
    }
    assert sealed - known == {("login_option", "sealed")}, "login options hold no secrets yet"


async def test_one_master_key_takes_anothers_place_and_both_open_the_database_meanwhile(
    dsn: str, store: Store, tmp_path: Path
) -> None:
    await write(store, "hush")
    files = {"old": tmp_path / "old", "new": tmp_path / "new"}
    for file, key in zip(files.values(), (MASTER_KEY, OTHER), strict=True):
        file.write_text(base64.b64encode(key).decode())

    async def command(*arguments: str, key: str) -> str:
        where = ("--dsn", dsn, "--encryption-key-file", str(files[key]))
        done = await asyncio.to_thread(CliRunner().invoke, app, ["keys", *arguments, *where])
        return done.stdout if done.exit_code == 0 else str(done.exception)

    with pytest.raises(WrongKey):
        await Store.open(dsn, OTHER, pool_size=1)
    assert "under both" in await command("share", "--to", str(files["new"]), key="old")
    for key in (MASTER_KEY, OTHER):
        opened = await Store.open(dsn, key, pool_size=1)
        assert await secrets(opened) == ["hush"]
        await opened.close()
    assert "gatefleet keys retire" in await command("rotate", "--announce", "0", key="old")
    assert "this master key only" in await command("retire", key="new")
    with pytest.raises(WrongKey):
        await Store.open(dsn, MASTER_KEY, pool_size=1)
    assert "is in use" in await command("rotate", "--announce", "0", key="new")
    opened = await Store.open(dsn, OTHER, pool_size=1)
    assert await secrets(opened) == ["hush"]
    await opened.close()


async def vault(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Vault's transit engine, as far as decrypting one key goes."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    asked = json.loads(await reader.readexactly(size))
    known = b"x-vault-token: s.right" in head.lower() and asked == {"ciphertext": "vault:v1:abc"}
    plain = {"data": {"plaintext": base64.b64encode(OTHER).decode()}} if known else {"errors": ["permission denied"]}
    body = json.dumps(plain).encode()
    writer.write(f"HTTP/1.1 {200 if known else 403} x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    writer.close()


async def test_the_master_key_comes_from_the_environment_from_vault_or_from_kms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(**given: Any) -> bytes:
        return await asyncio.to_thread(master_key, KeySettings.model_validate(given))

    plain = SecretStr(base64.b64encode(OTHER).decode())
    assert await asked(encryption_key=plain) == OTHER
    for both in ({}, {"encryption_key": plain, "encryption_key_file": tmp_path / "key"}):
        with pytest.raises(GatefleetError, match="one of the two"):
            await asked(**both)
    (tmp_path / "key").write_text("vault:v1:abc\n")
    async with await asyncio.start_server(vault, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/transit/decrypt/gatefleet"
        given = {"encryption_key_file": tmp_path / "key", "encryption_key_vault": url}
        with pytest.raises(GatefleetError, match="its token file"):
            await asked(**given)
        for token, works in (("s.wrong", False), ("s.right", True)):
            (tmp_path / "token").write_text(token)
            whole = {**given, "encryption_key_vault_token_file": tmp_path / "token"}
            if works:
                assert await asked(**whole) == OTHER
            else:
                with pytest.raises(GatefleetError, match=r"Vault does not decrypt the encryption key: .*403"):
                    await asked(**whole)

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {"ENDPOINT_URL_KMS": f"http://{host}:{port}", "DEFAULT_REGION": "eu-west-1",
                        "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y"}.items():  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    try:
        sealed = await asyncio.to_thread(by_kms, OTHER)
        assert await asked(encryption_key=SecretStr("aws-kms:" + sealed)) == OTHER
        with pytest.raises(GatefleetError, match="AWS KMS does not decrypt"):
            await asked(encryption_key=SecretStr("aws-kms:AAAA"))
    finally:
        server.stop()


def by_kms(key: bytes) -> str:
    """The key as KMS encrypts it."""
    from botocore.session import Session  # noqa: PLC0415

    client = Session().create_client("kms")
    named = client.create_key()["KeyMetadata"]["KeyId"]
    return base64.b64encode(client.encrypt(KeyId=named, Plaintext=key)["CiphertextBlob"]).decode()
