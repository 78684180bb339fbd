"""What Terraform's provider, a7, the ingress controllers' tests and API7's MCP server need of the server."""

import base64

import pytest
from admin_api import Api

pytestmark = pytest.mark.anyio
BASIC = {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()}
NODES = [{"host": "a.test", "port": 80, "weight": 1}]


async def test_terraform_creates_with_post_200_reads_integers_and_deletes_to_a_json_string(api: Api) -> None:
    body = {"name": "s", "type": "http", "upstream": {"nodes": NODES, "timeout": {"connect": 6, "send": 6, "read": 6}}}
    service = (await api.call("POST", "/apisix/admin/services", body))["value"]
    assert service["upstream"]["timeout"] == {"connect": 6, "send": 6, "read": 6}
    raw = await api.raw.get(f"/apisix/admin/services/{service['id']}?gateway_group_id=default", headers=api.headers)
    assert ":6" in raw.text
    assert "6.0" not in raw.text
    body = {"name": "r", "paths": ["/"], "service_id": service["id"], "host": "x", "upstream": {}}
    route = (await api.call("POST", "/apisix/admin/routes", body))["value"]
    consumer = (await api.call("POST", "/apisix/admin/consumers", {"username": "tf"}))["value"]
    for path in (f"routes/{route['id']}", f"consumers/{consumer['username']}", f"services/{service['id']}"):
        assert await api.call("DELETE", f"/apisix/admin/{path}") == ""
        await api.refused("GET", f"/apisix/admin/{path}", status=404)


async def test_a7_pages_until_a_page_is_empty(api: Api) -> None:
    for number in range(5):
        await api.call("PUT", f"/apisix/admin/services/s{number}", {"name": f"s{number}"})
    pages = [await api.call("GET", f"/apisix/admin/services?page={n}&page_size=2") for n in (1, 2, 3, 4)]
    assert [len(page["list"]) for page in pages] == [2, 2, 1, 0]
    assert {page["total"] for page in pages} == {5}
    everything = await api.call("GET", "/apisix/admin/services")
    assert len(everything["list"]) == everything["total"] == 5
    assert (await api.call("GET", "/apisix/admin/services?search=S3"))["total"] == 1
    oldest = await api.call("GET", "/apisix/admin/services?order_by=created_at&direction=asc&page_size=1")
    assert oldest["list"][0]["id"] == "s0"
    for query in ("page=0", "page_size=x", "order_by=name", "direction=up"):
        await api.refused("GET", f"/apisix/admin/services?{query}")


async def test_a7_knows_what_is_not_there_by_4xx(api: Api) -> None:
    for path in ("upstreams", "plugin_configs", "consumer_groups", "stream_routes", "protos", "secret_providers"):
        assert await api.refused("GET", f"/apisix/admin/{path}", status=404)
    for kind in ("services", "routes", "consumers", "ssls", "global_rules", "plugin_metadata"):
        for method in ("GET", "DELETE"):
            assert "not found" in await api.refused(method, f"/apisix/admin/{kind}/nonexistent", status=404)


async def test_a7_lists_plugins_and_their_schemas(api: Api) -> None:
    names = await api.call("GET", "/apisix/admin/plugins/list")
    assert "proxy-rewrite" in names
    for name in names:
        schema = (await api.call("GET", f"/apisix/admin/plugins/{name}"))["value"]
        assert schema["type"] == "object"
        assert (await api.call("GET", f"/apisix/admin/schema/plugins/{name}"))["value"] == schema
    await api.refused("GET", "/apisix/admin/plugins/nonexistent", status=404)
    credential = (await api.call("GET", "/apisix/admin/plugins/key-auth?schema_type=consumer"))["value"]
    assert credential["required"] == ["key"]
    await api.refused("GET", "/apisix/admin/plugins/cors?schema_type=consumer", status=404)
    assert {plugin["name"] for plugin in (await api.call("GET", "/apisix/admin/plugins"))["list"]} == set(names)


async def test_a7_publishes_a_template_with_nodes_as_a_map(api: Api) -> None:
    body = {"name": "t", "description": "d", "upstream": {"type": "roundrobin", "nodes": {"a.test:80": 1}}}
    made = (await api.call("POST", "/api/services/template", body))["value"]
    assert (await api.call("GET", "/api/services/template?page_size=500"))["total"] == 1
    await api.call("PUT", f"/api/services/template/{made['id']}", {**body, "name": "t2"})
    publication = {
        "create_new_version": True,
        "gateway_group_id": "default",
        "services": [{"service_id": made["id"], "version": "1.0.0"}],
    }
    assert await api.call("POST", "/api/services/publish", publication) == {"value": {}}
    live = (await api.call("GET", f"/apisix/admin/services/{made['id']}"))["value"]
    assert live["upstream"]["nodes"][0] == {"host": "a.test", "port": 80, "weight": 1, "priority": 0}
    await api.call("DELETE", f"/api/gateway_groups/default/services/{made['id']}")
    await api.call("DELETE", f"/api/services/template/{made['id']}")


async def test_the_ingress_controller_s_tests_set_up_with_basic(api: Api) -> None:
    async def call(method: str, path: str, body: object = None) -> dict[str, object]:
        response = await api.raw.request(method, path, json=body, headers=BASIC)
        assert response.status_code == 200, response.text
        return response.json()

    await call("PUT", "/api/license", {"data": "anything"})
    settings = await call("PUT", "/api/system_settings", {"dp_manager_address": ["https://dpm:7943"]})
    assert "dp_manager_address" in str(settings)
    group = await call("POST", "/api/gateway_groups", {"name": "ic", "type": "api7_ingress_controller"})
    group_id = group["value"]["id"]  # type: ignore[index]
    key = await call("PUT", f"/api/gateway_groups/{group_id}/admin_key")
    assert key["value"]["key"].startswith("a7adm-")  # type: ignore[index]
    bundle = await call("POST", f"/api/gateway_groups/{group_id}/dp_client_certificates", {})
    assert {"certificate", "private_key", "ca_certificate"} <= set(bundle["value"])  # type: ignore[call-overload]
    assert isinstance(await call("DELETE", f"/api/gateway_groups/{group_id}"), dict)


async def test_the_mcp_server_reads(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", {"name": "s", "upstream": {"nodes": NODES}})
    assert (await api.call("GET", "/apisix/admin/services/s/upstreams/s"))["value"]["id"] == "s"
    for path in (
        "/api/users?search=adm",
        "/api/gateway_groups/default/services",
        "/api/gateway_groups/default/services/s",
        "/api/gateway_groups/default/services/s/runtime_configuration",
        "/api/gateway_groups/default/instances?status=Healthy",
        "/api/instances",
        "/api/tokens",
    ):
        await api.call("GET", path)
