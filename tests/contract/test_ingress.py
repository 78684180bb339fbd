"""What the ingress controller's environment calls before the controller starts, all by Basic admin:admin."""

import base64
import re
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.contract.adc import Adc
from tests.contract.calls import Call, Caller, value

pytestmark = pytest.mark.anyio
PEM = re.compile("^-----BEGIN ")


@pytest.fixture
def basic(visitor: Caller) -> Caller:
    """The first user with the first password: only a session has to change it."""
    return Caller(visitor.http, {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()})


@pytest.fixture
async def made(basic: Caller) -> str:
    body = {"name": f"ingress-{uuid4()}", "type": "api7_ingress_controller"}
    return (await basic.expect_value("POST", "/api/gateway_groups", {"id": str}, body))["id"]


async def test_a_licence_is_taken_and_ignored(basic: Caller) -> None:
    for body in ({"data": "licence"}, {}):
        await basic.expect(Call("PUT", "/api/license", body))
    await basic.expect(Call("GET", "/api/license"))


async def test_settings_are_echoed(basic: Caller) -> None:
    addresses = {"dp_manager_address": ["https://dp-manager:7943"]}
    echo = await basic.send("PUT", "/api/system_settings", addresses)
    assert echo.status_code == 200
    assert "dp_manager_address" in echo.text
    assert "https://dp-manager:7943" in echo.text
    assert "https://dp-manager:7943" in (await basic.send("GET", "/api/system_settings")).text


async def test_a_group_is_made_and_its_deletion_answers_an_object(basic: Caller, made: str) -> None:
    await basic.expect(Call("GET", f"/api/gateway_groups/{made}", shape=value({"type": "api7_ingress_controller"})))
    await basic.expect(Call("DELETE", f"/api/gateway_groups/{made}", shape=dict))


async def test_the_controller_works_with_the_admin_key_it_is_given(basic: Caller, made: str) -> None:
    path = f"/api/gateway_groups/{made}/admin_key"
    old = (await basic.expect_value("PUT", path, {"key": re.compile("^a7adm-.")}))["key"]
    key = (await basic.expect_value("PUT", path, {"key": re.compile("^a7adm-.")}))["key"]
    await Caller(basic.http, {"X-API-KEY": old}).refused(401, "GET", "services")
    labels = {
        "k8s/controller-name": "apisix.apache.org/apisix-ingress-controller",
        "k8s/kind": "Ingress",
        "k8s/namespace": "default",
        "k8s/name": "web",
    }
    services = [
        {"name": "default_web_0", "labels": labels, "routes": [{"name": "r", "uris": ["/*"], "labels": labels}]}
    ]
    adc = Adc(Caller(basic.http, {"X-API-KEY": key}), selector={"k8s/kind": "Ingress", "k8s/name": "web"})
    assert (await adc.validate({"services": services})).status_code == 200
    await adc.sync({"services": services})
    assert await adc.unsettled({"services": services}) == []
    other = Adc(adc.caller, selector={"k8s/kind": "Gateway"})
    assert (await other.dump()).resources == {}


async def test_a_join_token_comes_as_plain_text(basic: Caller, made: str) -> None:
    path = f"/api/gateway_groups/{made}/instance_token"
    shape = {"id": str, "token_plain_text": re.compile("^a7ee-")}
    await basic.expect(Call("POST", path, {}, 200, value(shape)))
    await basic.expect(Call("POST", path, shape=value(shape)))
    plain = await basic.send("POST", f"{path}?only_token=true")
    assert (plain.status_code, plain.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert re.fullmatch(r"a7ee-[^\s\"]+", plain.text)


async def test_a_client_certificate_is_issued_for_a_data_plane(basic: Caller, made: str) -> None:
    shape = {"id": str, "certificate": PEM, "private_key": PEM, "ca_certificate": PEM, "gateway_group_id": made}
    issued = await basic.expect_value("POST", f"/api/gateway_groups/{made}/dp_client_certificates", shape, {})
    certificate = x509.load_pem_x509_certificate(issued["certificate"].encode())
    ca = x509.load_pem_x509_certificate(issued["ca_certificate"].encode())
    certificate.verify_directly_issued_by(ca)
    key = load_pem_private_key(issued["private_key"].encode(), None)
    assert key.public_key() == certificate.public_key()
    assert issued.get("expiry", int(certificate.not_valid_after_utc.timestamp())) > 0


@pytest.mark.parametrize("path", ["admin_key", "instance_token", "dp_client_certificates"])
async def test_an_unknown_group_gets_nothing(path: str, basic: Caller) -> None:
    method = "PUT" if path == "admin_key" else "POST"
    await basic.refused(404, method, f"/api/gateway_groups/nowhere/{path}", {})
