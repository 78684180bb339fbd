"""Nodes and what lets them in, by the Admin API: tokens, certificates, shutting out, keys."""

import pytest
from admin_api import Api

from gatefleet import pki
from gatefleet.fleet import Heartbeat, Machine
from gatefleet.pki import Identity
from gatefleet.store import Store, fleet
from gatefleet.store.authority import authorities, give
from gatefleet.store.fleet_keys import forget, snapshot_keys
from gatefleet.store.heartbeats import Said, record
from tests.authorities import authority, rsa_key

pytestmark = pytest.mark.anyio

GROUP = "/api/gateway_groups/default"


async def issued(store: Store, instance: str, origin: str = "") -> str:
    """The serial number of a certificate for a node of the default group, which also reports."""
    who, key = Identity("default", instance), pki.new_key()
    async with store.transaction() as connection:
        ca = (await authorities(connection, store.cipher)).issuing
        certificate = await fleet.issue(connection, ca, who, pki.create_csr(key, instance), origin)
        await record(connection, [Said(who, Heartbeat(Machine("h", "1.1.1.1", "0.1.0")), 0)])
    return pki.serial(certificate)


async def test_a_node_is_shut_out_and_what_would_let_it_in_again_is_named(api: Api) -> None:
    store = api.store
    token = (await api.call("POST", f"{GROUP}/instance_token"))["value"]["id"]
    bundle = (await api.call("POST", f"{GROUP}/dp_client_certificates", {}))["value"]["id"]
    lost = [await issued(store, "lost", f"token/{token}"), await issued(store, "lost", f"certificate/{bundle}")]
    other = await issued(store, "other", f"token/{token}")
    done = (await api.call("POST", f"{GROUP}/instances/lost/revoke"))["value"]
    assert done == {"revoked": sorted(lost), "still_open": [f"certificate/{bundle}", f"token/{token}"]}
    async with store.transaction() as connection:
        assert sorted(each.serial for each in await fleet.revoked(connection)) == sorted(lost)
    certificates = {each["id"]: each for each in (await api.call("GET", f"{GROUP}/dp_client_certificates"))["list"]}
    assert {serial for serial, each in certificates.items() if "revoked_at" in each} == set(lost)
    assert (certificates[bundle]["instance_id"], certificates[other]["instance_id"]) == ("", "other")
    assert certificates[other]["joined_with"] == f"token/{token}"
    assert [each["id"] for each in (await api.call("GET", f"{GROUP}/instance_tokens"))["list"]] == [token]
    await api.call("DELETE", f"{GROUP}/instance_tokens/{token}")
    await api.call("DELETE", f"{GROUP}/dp_client_certificates/{bundle}")
    done = (await api.call("DELETE", f"{GROUP}/instances/lost"))["value"]
    assert done == {"revoked": sorted(lost), "still_open": []}
    assert [each["id"] for each in (await api.call("GET", f"{GROUP}/instances"))["list"]] == ["other"]
    for method, path in (
        ("POST", "instances/none/revoke"),
        ("DELETE", "instances/none"),
        ("DELETE", f"instance_tokens/{token}"),
        ("DELETE", "dp_client_certificates/ab"),
    ):
        assert "not found" in await api.refused(method, f"{GROUP}/{path}", status=404)


async def test_what_is_of_one_group_cannot_be_shut_out_of_another(api: Api) -> None:
    theirs = (await api.call("POST", "/api/gateway_groups", {"name": "theirs"}))["value"]["id"]
    serial = await issued(api.store, "mine")
    token = (await api.call("POST", f"{GROUP}/instance_token"))["value"]["id"]
    for method, path in (
        ("DELETE", f"dp_client_certificates/{serial}"),
        ("DELETE", "instances/mine"),
        ("DELETE", f"instance_tokens/{token}"),
    ):
        await api.refused(method, f"/api/gateway_groups/{theirs}/{path}", status=404)
    assert (await api.call("GET", f"/api/gateway_groups/{theirs}/dp_client_certificates"))["list"] == []
    async with api.store.transaction() as connection:
        assert await fleet.revoked(connection) == []


async def test_keys_are_exchanged_in_time_or_at_once(api: Api) -> None:
    store, path = api.store, f"{GROUP}/snapshot_keys"

    async def keys() -> list[str]:
        async with store.transaction() as connection:
            return [key.key_id for key in await snapshot_keys(connection, store.cipher, "default")]

    (first,) = await keys()
    second = (await api.call("POST", path, {}))["value"]["key_id"]
    listed = (await api.call("GET", path))["list"]
    assert [(each["key_id"], each["signing"]) for each in listed] == [(first, True), (second, False)]
    assert 30 * 86400 <= listed[0]["ends_at"] - listed[1]["signs_at"] <= 30 * 86400 + 1
    assert "ends_at" not in listed[1]
    assert await keys() == [first, second]
    bundle = pki.Bundle.from_json(
        (await api.call("POST", f"{GROUP}/dp_client_certificates", {}))["value"]["bundle"].encode()
    )
    assert set(bundle.verification_keys) == set(bundle.copy_keys) == {first, second}
    assert "is announced already" in await api.refused("POST", path, {}, status=409)
    third = (await api.call("POST", path, {"announced_seconds": 0, "overlap_days": 0}))["value"]["key_id"]
    assert await keys() == [third]
    async with store.transaction() as connection:
        assert await forget(connection) == 2
    for body in ({"announced_seconds": -1}, {"overlap_days": 4000}, {"overlap_days": "x"}):
        await api.refused("POST", path, body)
    await api.refused("POST", "/api/gateway_groups/none/snapshot_keys", {}, status=404)


async def test_the_operators_authority_follows_ours_with_overlap(api: Api) -> None:
    store = api.store
    ours = (await api.call("POST", f"{GROUP}/instance_token"))["value"]["token_plain_text"]
    given = authority(rsa_key())
    async with store.transaction() as connection:
        before = await authorities(connection, store.cipher)
        assert await give(connection, store.cipher, given)
        assert not await give(connection, store.cipher, given)
        after = await authorities(connection, store.cipher)
    assert (after.serving, after.issuing) == (before.serving, given)
    assert pki.fingerprints(after.certificates) == {pki.fingerprint(p.certificate) for p in (given, before.serving)}
    bundle = (await api.call("POST", f"{GROUP}/dp_client_certificates", {}))["value"]
    assert bundle["ca_certificate"] == after.certificates
    token = (await api.call("POST", f"{GROUP}/instance_token"))["value"]["token_plain_text"]
    assert pki.parse_token(token).ca == pki.parse_token(ours).ca  # what DP Managers show meanwhile
    async with store.transaction() as connection:
        await connection.exec_driver_sql(
            "update certificate_authority set created_at = created_at - interval '31 days'"
        )
        assert (await authorities(connection, store.cipher)).serving == given
        renewed = authority(given.key)
        assert await give(connection, store.cipher, renewed)
        assert (await authorities(connection, store.cipher)).trusted == (renewed, before.serving)
