"""The stand-ins for registries speak the protocols: independent client libraries find in them what our nodes find."""

from collections.abc import Iterator

import consul
import nacos
import pytest
from py_eureka_client import eureka_basic
from registries import PASSWORD, TOKEN, USER, Instance, Standin, standin

Found = set[tuple[str, int, str]]
"""Host, port and `version` of the healthy instances."""
EXPECTED: Found = {("127.0.0.1", 1001, ""), ("127.0.0.1", 1002, "v2")}


@pytest.fixture
def known() -> Iterator[Standin]:
    with standin(Instance(1001), Instance(1002, metadata={"version": "v2"}), Instance(1003, healthy=False)) as running:
        yield running


def test_consuls_client_finds_the_instances(known: Standin) -> None:
    asked = consul.Consul(host="127.0.0.1", port=known.http_port, token=TOKEN)
    _, found = asked.health.service("web", passing=True)
    instances = [(one["Service"]["Address"] or one["Node"]["Address"], one["Service"]) for one in found]
    assert {(host, of["Port"], of["Meta"].get("version", "")) for host, of in instances} == EXPECTED


@pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning")
def test_nacos_client_signs_in_and_finds_the_instances(known: Standin) -> None:
    asked = nacos.NacosClient(known.url, namespace="dev", username=USER, password=PASSWORD)
    hosts = asked.list_naming_instance("web", group_name="team")["hosts"]
    assert {(one["ip"], one["port"], one["metadata"].get("version", "")) for one in hosts if one["healthy"]} == EXPECTED


def test_kubernetes_client_reads_the_endpoint_slices(known: Standin) -> None:
    from kubernetes import client as kubernetes  # noqa: PLC0415 - takes seconds to load, which every worker would spend

    configuration = kubernetes.Configuration(host=known.url, api_key={"authorization": f"Bearer {TOKEN}"})
    with kubernetes.ApiClient(configuration) as asked:
        slices = kubernetes.DiscoveryV1Api(asked).list_namespaced_endpoint_slice(
            "dev", label_selector="kubernetes.io/service-name=web"
        )
    found = {
        (address, port.port)
        for one in slices.items
        for port in one.ports
        for endpoint in one.endpoints
        for address in endpoint.addresses
        if port.name == "http" and endpoint.conditions.ready
    }
    assert found == {(host, port) for host, port, _ in EXPECTED}


@pytest.mark.anyio
async def test_eurekas_client_finds_the_instances(known: Standin) -> None:
    application = await eureka_basic.get_application(f"{known.url}/eureka/", "WEB")
    found = {(one.ipAddr, one.port.port, one.metadata.get("version", "")) for one in application.up_instances}
    assert found == EXPECTED
