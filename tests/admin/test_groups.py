"""Gateway groups, and what nodes are let in with."""

from urllib.parse import quote

import pytest
from admin_api import Api
from sqlalchemy import text

from gatefleet.fleet import Heartbeat, Machine
from gatefleet.pki import Identity
from gatefleet.store.heartbeats import Said, record

pytestmark = pytest.mark.anyio


async def test_a_group_lives_through_everything(api: Api) -> None:
    body = {"name": "g1", "description": "d", "labels": {"env": "test"}, "type": "api7_gateway", "prefix": "/ignored"}
    made = (await api.call("POST", "/api/gateway_groups", body))["value"]
    path = f"/api/gateway_groups/{made['id']}"
    assert {key: made[key] for key in body if key != "prefix"} == {k: v for k, v in body.items() if k != "prefix"}
    assert made["config"]["control_plane_key_prefix"].startswith("/gateway_groups/")
    assert (await api.call("GET", path))["value"] == made
    assert "already exists" in await api.refused("POST", "/api/gateway_groups", body, status=409)
    assert "/description" in await api.refused("PUT", path, {"name": "g2"})
    changed = (await api.call("PUT", path, {"name": "g2", "description": ""}))["value"]
    assert (changed["name"], changed["description"], changed["labels"]) == ("g2", "", {})
    assert await api.call("DELETE", path) == {"value": {}}
    assert "not found" in await api.refused("GET", path, status=404)
    assert "not found" in await api.refused("DELETE", path, status=404)


async def test_an_exact_name_wins_over_the_fuzzy_search(api: Api) -> None:
    for name in ("default2", "my-default"):
        await api.call("POST", "/api/gateway_groups", {"name": name})
    listed = await api.call("GET", "/api/gateway_groups?search=default&name=default")
    assert [group["id"] for group in listed["list"]] == ["default"]
    assert (await api.call("GET", "/api/gateway_groups?search=default"))["total"] == 3
    assert (await api.call("GET", "/api/gateway_groups?name=nope"))["list"] == []
    page = await api.call("GET", "/api/gateway_groups?page=2&page_size=2&direction=asc&order_by=created_at")
    assert ([group["name"] for group in page["list"]], page["total"]) == (["my-default"], 3)


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 101}, {"name": 1}, {"name": "x", "type": "y"}])
async def test_a_group_that_cannot_be_is_refused(api: Api, body: dict[str, object]) -> None:
    await api.refused("POST", "/api/gateway_groups", body)


async def test_a_group_in_use_is_not_deleted_by_mistake(api: Api) -> None:
    made = (await api.call("POST", "/api/gateway_groups", {"name": "g"}))["value"]["id"]
    await api.call("PUT", f"/apisix/admin/services/s?gateway_group_id={made}", {"name": "s"})
    assert "still using it" in await api.refused("DELETE", f"/api/gateway_groups/{made}")
    await api.call("DELETE", f"/api/gateway_groups/{made}?force=true")
    assert "not found" in await api.refused("GET", f"/apisix/admin/services?gateway_group_id={made}", status=404)


async def test_nodes_get_tokens_and_certificates(api: Api) -> None:
    await api.call("PUT", "/api/system_settings", {"dp_manager_address": ["https://dpm.test:7943"]})
    assert (await api.call("GET", "/api/system_settings"))["value"]["dp_manager_address"] == ["https://dpm.test:7943"]
    token = (await api.call("POST", "/api/gateway_groups/default/instance_token"))["value"]
    assert token["token_plain_text"].startswith("a7ee-")
    plain = await api.raw.post("/api/gateway_groups/default/instance_token?only_token=true", headers=api.headers)
    assert plain.text.startswith("a7ee-")
    assert plain.headers["content-type"].startswith("text/plain")
    bundle = (await api.call("POST", "/api/gateway_groups/default/dp_client_certificates", {}))["value"]
    assert bundle["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert bundle["gateway_group_id"] == "default"
    assert "dpm.test" in bundle["bundle"]
    for path in ("instance_token", "dp_client_certificates"):
        assert "not found" in await api.refused("POST", f"/api/gateway_groups/nope/{path}", {}, status=404)
    assert await api.call("GET", "/api/gateway_groups/default/instances") == {"list": [], "total": 0}
    assert "https://" in await api.refused("PUT", "/api/system_settings", {"dp_manager_address": ["http://x"]})


async def test_instances_are_filtered_ordered_counted_and_told_with_all_they_report(api: Api) -> None:
    async with api.store.transaction() as connection:
        for name, ago in (("a", "1 s"), ("b", "40 s"), ("c", "3 h")):
            beat = Heartbeat(
                Machine(f"host-{name}", f"10.0.0.{ord(name)}", "0.1.0", ports=(9080, 9443), cores=4),
                applied_revision=7,
                envoy="LIVE",
                certificate_expires_at=2_000_000_000,
            )
            await record(connection, [Said(Identity("default", name), beat)])
            aged = "update instance set last_heartbeat_at = now() - cast(cast(:ago as text) as interval) where id = :id"
            await connection.execute(text(aged), {"id": name, "ago": ago})

    async def found(query: str) -> list[str]:
        listed = await api.call("GET", f"/api/gateway_groups/default/instances?{query}")
        return [instance["id"] for instance in listed["list"]]

    assert await found("status=LostConnection") == ["b"]
    assert await found("search=HOST-C") == ["c"]
    assert await found(f"search=10.0.0.{ord('a')}") == ["a"]
    assert await found("order_by=last_heartbeat_time&direction=asc") == ["c", "b", "a"]
    assert await found("order_by=last_heartbeat_time&page=1&page_size=1") == ["a"]
    assert "order_by must be" in await api.refused("GET", "/api/instances?order_by=cores")
    counted = (await api.call("GET", "/api/instances/count/status"))["value"]
    assert counted == [{"key": key, "count": 1} for key in ("Healthy", "LostConnection", "Offline")]
    (told,) = (await api.call("GET", "/api/instances?search=host-a"))["list"]
    said = {"hostname": "host-a", "ip": f"10.0.0.{ord('a')}", "version": "0.1.0", "ports": [9080, 9443], "cores": 4}
    said |= {"envoy": "LIVE", "conf_server_revision": 7, "dataplane_certificate_expire_time": 2_000_000_000}
    assert told.items() >= said.items()
    assert (await api.call("DELETE", "/api/gateway_groups/default/instances/c"))["value"]["revoked"] == []
    assert sorted(await found("")) == ["a", "b"]


async def test_instances_are_found_by_their_labels(api: Api) -> None:
    async with api.store.transaction() as connection:
        for name, labels in (("a", {"env": "canary", "zone": "1"}), ("b", {"env": "prod"}), ("c", {})):
            beat = Heartbeat(Machine(name, "10.0.0.1", "0.1.0", labels=labels))
            await record(connection, [Said(Identity("default", name), beat)])

    async def found(query: str) -> dict[str, dict[str, str]]:
        listed = await api.call("GET", f"/api/gateway_groups/default/instances?{query}")
        return {instance["id"]: instance["labels"] for instance in listed["list"]}

    assert await found("") == {"a": {"env": "canary", "zone": "1"}, "b": {"env": "prod"}, "c": {}}
    assert set(await found(f"{quote('labels[env]')}=canary")) == {"a"}
    assert set(await found("label=env")) == {"a", "b"}
    assert not await found(f"{quote('labels[env]')}=canary&label=nothing")
