"""Certificates, certificates of authorities and SNIs: what is shown, who uses what, and what cannot be deleted."""

import pytest

from tests.contract.calls import ABSENT, Call, Caller, listed, value
from tests.contract.pem import pair

pytestmark = pytest.mark.anyio
CERT, KEY = pair("a.example.com", "b.example.com")
OTHER, OTHER_KEY = pair("c.example.com")
SAID = {"snis": ["a.example.com", "b.example.com"], "subject": "CN=a.example.com", "not_after": int, "key": ABSENT}


async def usage(group: Caller, path: str) -> list[str]:
    found = await group.get(f"/api/gateway_groups/{group.group}/{path}/usage")
    return [f"{user['resource_type']}/{user['id']}" for user in found["list"]]


async def test_a_private_key_never_comes_back(group: Caller) -> None:
    body = {"name": "one", "cert": CERT, "key": KEY}
    await group.expect_value("PUT", "certificates/c1", SAID, body)
    await group.expect_value("GET", "certificates/c1", {**SAID, "cert": CERT})
    await group.expect_value("PATCH", "certificates/c1", {**SAID, "desc": "d"}, {"desc": "d"})
    await group.expect(Call("GET", "certificates", shape=listed(SAID)))
    made = await group.expect_value("POST", "ca_certificates", {"subject": "CN=c.example.com"}, {"cert": OTHER})
    assert "PRIVATE KEY" not in str((await group.get(f"ca_certificates/{made['id']}"), made))


async def test_what_is_no_certificate_or_not_its_key_is_refused(group: Caller, visitor: Caller) -> None:
    for body, said in (
        ({"cert": CERT, "key": OTHER_KEY}, 'Error at "/cert": the key does not belong to the certificate'),
        ({"cert": "x" * 200, "key": KEY}, 'Error at "/cert": the certificate is not valid PEM'),
    ):
        assert said in await group.refused(400, "PUT", "certificates/c1", body)
        assert said in await group.refused(400, "PUT", "/api/validate_cert_key", body)
    assert "/cert" in await group.refused(400, "PUT", "ca_certificates/c1", {"cert": KEY})
    assert "not valid PEM" in await group.refused(400, "PUT", "/api/parse_certificate", {"cert": "nothing"})
    await group.expect(Call("PUT", "/api/parse_certificate", {"cert": CERT}, 200, value(SAID)))
    await group.expect(Call("PUT", "/api/validate_cert_key", {"cert": CERT, "key": KEY}, 200, value(SAID)))
    await visitor.refused(401, "PUT", "/api/parse_certificate", {"cert": CERT})


async def test_what_is_used_is_not_deleted(group: Caller) -> None:
    await group.put("certificates/c1", {"cert": CERT, "key": KEY})
    await group.put("ca_certificates/a1", {"cert": OTHER})
    upstream = {"scheme": "https", "nodes": [], "ca_certificates": ["a1"]}
    for path in ("certificates/c1", "ca_certificates/a1"):
        assert await usage(group, path) == []
    nowhere = {"name": "s", "upstream": {**upstream, "ca_certificates": ["a1", "nowhere"]}}
    said = await group.refused(400, "PUT", "services/s", nowhere)
    assert 'Error at "/upstream/ca_certificates/1": ca certificate [nowhere] not found' in said
    await group.put("services/s", {"name": "s", "upstream": upstream})
    await group.put("services/s/upstreams/u", upstream)
    assert await usage(group, "ca_certificates/a1") == ["services/s", "upstreams/s/u"]
    assert "still using it" in await group.refused(400, "DELETE", "ca_certificates/a1")
    await group.delete("services/s")
    await group.delete("ca_certificates/a1")
    await group.refused(404, "GET", f"/api/gateway_groups/{group.group}/ca_certificates/a1/usage")


async def test_certificates_are_found_by_when_they_end(group: Caller) -> None:
    end = (await group.put("certificates/c1", {"cert": CERT, "key": KEY}))["value"]["not_after"]
    assert await group.ids("certificates", exptime=str(end)) == ["c1"]
    assert await group.ids("certificates", exptime=str(end - 1)) == []
    await group.refused(400, "GET", "certificates?exptime=tomorrow")
