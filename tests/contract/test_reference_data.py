"""Protos and secret providers as a7 calls them: stored as sent, secrets encrypted, the id with its manager."""

import pytest
from admin_api import Api

from tests.contract.calls import Call, Caller, listed, value

pytestmark = pytest.mark.anyio
VAULT = {"uri": "http://vault:8200", "prefix": "kv/gate", "token": "s.secret", "labels": {"env": "dev"}}


async def test_a_secret_provider_lives_under_its_manager(group: Caller, served: Api) -> None:
    shown = {"id": "vault/s1", "manager": "vault", **VAULT}
    await group.expect(Call("PUT", "secret_providers/vault/s1", VAULT, 200, value(shown)))
    await group.expect(Call("PUT", "secret_providers/vault/s1", {**VAULT, "id": "vault/s1"}, 200, value(shown)))
    await group.expect(Call("GET", "secret_providers/vault/s1", shape=value(shown)))
    await group.expect(Call("GET", "secret_providers", shape=listed(shown)))
    async with served.store.reading() as connection:
        rows = await connection.exec_driver_sql("select body::text from resource where kind = 'secret_providers'")
        assert not any("s.secret" in body for body in rows.scalars())
    await group.expect_value("PATCH", "secret_providers/vault/s1", {"prefix": "kv/b"}, {"prefix": "kv/b"})
    assert await usage(group, "secret_providers/vault/s1") == 0
    refers = {"username": "jack", "plugins": {"key-auth": {"key": "$secret://vault/s1/jack/key"}}}
    await group.expect(Call("PUT", "consumers/jack", refers, shape=value(refers)))
    assert await usage(group, "secret_providers/vault/s1") == 1
    assert "consumers [jack]" in await group.refused(400, "DELETE", "secret_providers/vault/s1")
    await group.expect(Call("DELETE", "consumers/jack", shape=""))
    await group.expect(Call("DELETE", "secret_providers/vault/s1", shape=""))
    await group.refused(404, "GET", "secret_providers/vault/s1")


async def test_every_manager_has_its_fields(group: Caller) -> None:
    for manager, body in (("aws", {"region": "eu-west-1"}), ("kubernetes", {"namespace": "gate", "token": "t"})):
        await group.expect_value("PUT", f"secret_providers/{manager}/one", {**body, "manager": manager}, body)
    for path, body, said in (
        ("vault/one", {"uri": "http://v", "prefix": "p"}, 'Error at "/token"'),
        ("vault/one", {**VAULT, "uri": "file:///etc/passwd"}, 'Error at "/uri"'),
        ("keepass/one", VAULT, 'Error at "/manager"'),
    ):
        assert said in await group.refused(400, "PUT", f"secret_providers/{path}", body)


async def usage(group: Caller, path: str) -> int:
    return (await group.get(f"/api/gateway_groups/{group.group}/{path}/usage"))["total"]
