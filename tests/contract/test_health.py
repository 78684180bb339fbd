"""How nodes of upstreams are: what connected instances say of them, by service and by group."""

from typing import Any

import pytest
from admin_api import Api

from gatefleet.fleet import HealthReport, Heartbeat, Machine, Unwell
from gatefleet.pki import Identity
from gatefleet.store import health, heartbeats
from gatefleet.store.heartbeats import Said
from tests.contract.calls import Call, Caller, listed, value

pytestmark = pytest.mark.anyio
CHECKS = {"active": {"type": "http", "http_path": "/health"}}


async def say(served: Api, group: str, instance: str, *unwell: Unwell) -> None:
    """An instance is there and reports these."""
    who = Identity(group, instance)
    async with served.store.transaction() as connection:
        await heartbeats.record(connection, [Said(who, Heartbeat(Machine(f"host-{instance}", "127.0.0.1", "0.1.0")))])
        await health.record(connection, who, HealthReport(upstreams=2, unwell=unwell))


async def test_instances_say_which_nodes_are_unhealthy_why_and_since_when(group: Caller, served: Api) -> None:
    nodes = [{"host": "10.0.0.1", "port": 80, "weight": 1}, {"host": "b.test", "port": 8080, "weight": 1}]
    await group.put("services/s", {"name": "s", "upstream": {"nodes": nodes, "checks": CHECKS}})
    await group.put("services/s/upstreams/u", {"name": "u", "nodes": nodes[:1]})
    path = f"/api/gateway_groups/{group.group}/services/s/healthcheck"
    unknown: dict[str, Any] = {"status": "unknown", "unhealthy_ratio": 0, "instances": []}
    shown = {"id": "s", "checked": True, "nodes": [{**nodes[0], **unknown}, {**nodes[1], **unknown}]}
    await group.expect(Call("GET", path, shape=value({"reporting_instances": 0, "upstreams": [shown, {"id": "u"}]})))

    failing = Unwell("s", "10.0.0.2:8080", "b.test:8080", "unhealthy", "the active check failed", 1700000000)
    found = Unwell("s", "10.0.0.9:80", "", "degraded", "the active check says it is degraded", 1700000001)
    await say(served, group.group or "", "one", failing, found)
    await say(served, group.group or "", "two")
    told = {"instance_id": "one", "hostname": "host-one", "status": "unhealthy", "reason": failing.reason}
    upstream = {
        "id": "s",
        "nodes": [
            {"host": "10.0.0.1", "status": "healthy", "unhealthy_ratio": 0},
            {"host": "b.test", "status": "unhealthy", "unhealthy_ratio": 0.5, "instances": [told]},
            {"host": "10.0.0.9", "port": 80, "status": "degraded", "unhealthy_ratio": 0},
        ],
    }
    unchecked = {"id": "u", "checked": False, "nodes": [{"host": "10.0.0.1", "status": "unknown"}]}
    whole = value({"service_id": "s", "reporting_instances": 2, "upstreams": [upstream, unchecked]})
    await group.expect(Call("GET", path, shape=whole))
    await group.expect(Call("GET", f"{path}?upstream_id=u", shape=value({"upstreams": [unchecked]})))
    rows = [
        {"service_id": "s", "upstream_id": "s", "host": "10.0.0.2", "port": 8080, "status": "unhealthy"},
        {"service_id": "s", "upstream_id": "s", "host": "10.0.0.9", "port": 80, "status": "degraded"},
    ]
    await group.expect(Call("GET", f"/api/gateway_groups/{group.group}/healthcheck", shape=listed(*rows)))

    await say(served, group.group or "", "one")
    assert (await group.get(f"/api/gateway_groups/{group.group}/healthcheck"))["total"] == 0
    await group.refused(404, "GET", path.replace("/s/", "/none/"))
    await group.refused(404, "GET", f"{path}?upstream_id=none")
