"""Every place where secrets are kept is asked in its own words; what it says is taken to the letter."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import boto3
import hvac
import pytest
from moto.server import ThreadedMotoServer
from vaults import ROLE_ID, SECRET_ID, TOKEN, Standin, standin

from gatefleet.errors import NotFound, Unreachable
from gatefleet.node.secret_stores import picked, store_of
from gatefleet.outbound import Outbound

pytestmark = pytest.mark.anyio
SIGNED = {"aws_access_key_id": "a", "aws_secret_access_key": "s"}
FIELDS = {"auth-key": 'a"b%c', "other": "d"}


HERE = Outbound(["127.0.0.0/8"])
"""Lets nobody connect to this machine."""


async def asked(
    manager: str, config: Mapping[str, Any], secret: str, key: str, outbound: Outbound | None = None
) -> str:
    store = store_of(manager, config, outbound or Outbound())
    try:
        return picked(await store.read(secret), key)
    finally:
        await store.close()


def vaults(known: Standin) -> dict[str, dict[str, Any]]:
    """Providers that lead to the same secret."""
    two = {"uri": known.url, "prefix": "two/gate", "kv_version": "2"}
    return {
        "version 1": {"uri": f"{known.url}/", "prefix": "one/gate", "token": TOKEN},
        "version 2": {**two, "token": TOKEN},
        "version 2 by its own path": {"uri": known.url, "prefix": "two/data/gate", "token": TOKEN},
        "approle": {**two, "auth_method": "approle", "role_id": ROLE_ID, "secret_id": SECRET_ID},
        "kubernetes": {**two, "auth_method": "kubernetes", "role": "gate"},
        "token of the environment": {**two, "token": "$env://A_VAULT_TOKEN"},
    }


async def test_vault_is_read_in_both_versions_and_with_every_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_VAULT_TOKEN", TOKEN)
    with standin(gate__jack=FIELDS) as known:
        for name, config in vaults(known).items():
            assert await asked("vault", config, "jack", "auth-key") == 'a"b%c', name
            with pytest.raises(NotFound, match="no \\[nope\\]"):
                await asked("vault", config, "jack", "nope")
            with pytest.raises(NotFound, match="no secret \\[jim\\]"):
                await asked("vault", config, "jim", "key")
        with pytest.raises(Unreachable, match="403"):
            await asked("vault", {**vaults(known)["version 1"], "token": "x"}, "jack", "auth-key")
    with pytest.raises(Unreachable, match="ConnectError"):
        await asked("vault", vaults(known)["version 1"], "jack", "auth-key")


async def test_a_login_that_was_revoked_is_made_anew() -> None:
    with standin(gate__jack=FIELDS) as known:
        store = store_of("vault", vaults(known)["approle"], Outbound())
        await store.read("jack")
        known.tokens.clear()
        assert await store.read("jack") == FIELDS
        await store.close()


def test_the_stand_in_speaks_to_vaults_own_client() -> None:
    with standin(gate__jack=FIELDS) as known:
        client: Any = hvac.Client(url=known.url, token=TOKEN)
        assert client.secrets.kv.v1.read_secret("gate/jack", mount_point="one")["data"] == FIELDS
        second = client.secrets.kv.v2.read_secret_version("gate/jack", mount_point="two", raise_on_deleted_version=True)
        assert second["data"]["data"] == FIELDS
        login = client.auth.approle.login(ROLE_ID, SECRET_ID)
        assert login["auth"]["client_token"] in known.tokens


async def test_kubernetes_tells_a_secret_of_the_providers_namespace_or_of_another() -> None:
    with standin(gate__jack=FIELDS, team__jim={"key": "ä"}) as known:
        config = {"api_server": known.url, "token": TOKEN, "namespace": "gate"}
        assert await asked("kubernetes", config, "jack", "auth-key") == 'a"b%c'
        assert await asked("kubernetes", config, "team/jim", "key") == "ä"
        with pytest.raises(NotFound):
            await asked("kubernetes", config, "jim", "key")


async def test_aws_tells_texts_and_what_stands_in_them() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        client = cast("Any", boto3).client("secretsmanager", "eu-west-1", endpoint_url=address, **SIGNED)
        client.create_secret(Name="team/jack", SecretString='{"auth-key":"value","count":3}')
        client.create_secret(Name="plain", SecretString="all of it")
        keys = {"access_key_id": "a", "secret_access_key": "s", "session_token": "t"}
        config = {"endpoint_url": address, "region": "eu-west-1", **keys}
        assert await asked("aws", config, "team/jack", "auth-key") == "value"
        assert await asked("aws", config, "team/jack", "count") == "3"
        assert await asked("aws", config, "plain", "") == "all of it"
        for secret, key in (("none", ""), ("plain", "key"), ("team/jack", "nope")):
            with pytest.raises(NotFound):
                await asked("aws", config, secret, key)
    finally:
        server.stop()


async def test_no_store_is_asked_where_the_node_must_not_connect_to() -> None:
    """By a name, too, and by whatever library speaks to it."""
    came: list[None] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(None)
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        address = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        keys = {"access_key_id": "a", "secret_access_key": "s", "region": "eu-west-1"}
        for manager, config in (
            ("vault", {"uri": address, "prefix": "one", "token": TOKEN}),
            ("kubernetes", {"api_server": address, "token": "t"}),
            ("aws", {"endpoint_url": address, **keys}),
        ):
            with pytest.raises(Unreachable, match="must not be connected to"):
                await asked(manager, config, "jack", "key", HERE)
            assert not came, manager
            with pytest.raises(Unreachable):
                await asked(manager, config, "jack", "key")
            assert came.pop() is None, manager
            came.clear()


async def test_the_environment_tells_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK", '{"auth-key":"abc"}')
    assert await asked("env", {}, "JACK", "auth-key") == "abc"
    assert await asked("env", {}, "JACK", "") == '{"auth-key":"abc"}'
    with pytest.raises(NotFound, match="JILL"):
        await asked("env", {}, "JILL", "")
