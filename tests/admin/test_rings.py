"""Rings at the Admin API: started for a share of the instances, looked at, ended; their services are left alone."""

from typing import Any

import pytest
from admin_api import Api

from gatefleet import VERSION
from gatefleet.fleet import Counted, Heartbeat, Machine, Tally
from gatefleet.pki import Identity
from gatefleet.store import heartbeats
from gatefleet.store.heartbeats import Said
from tests.admin.test_approvals import another
from tests.admin.test_publishing import NODES, live, paths, publish, template

pytestmark = pytest.mark.anyio
RINGS = "/api/gateway_groups/default/rings"


async def beat(api: Api, *names: str, tally: Tally | None = None) -> None:
    machine = Machine("host", "10.0.0.1", VERSION, labels={"zone": "a"})
    async with api.store.transaction() as connection:
        said = [Said(Identity("default", name), Heartbeat(machine, envoy="LIVE", tally=tally)) for name in names]
        await heartbeats.record(connection, said)


async def prepared(api: Api) -> str:
    """A service that is published as 1, its template ready to be tried as 2, and four instances."""
    service_id = await template(api)
    await publish(api, service_id, "1", upstream=NODES)
    await api.call("POST", "/api/routes/template", {"name": "n", "paths": ["/new"], "service_id": service_id})
    await beat(api, "n1", "n2", "n3", "n4")
    return service_id


async def ring(api: Api, service_id: str, expect: int = 200, **more: Any) -> Any:
    item = {"service_id": service_id, "version": "2"}
    body = {"services": [item], "create_new_version": True, "share": {"percent": 25}, **more}
    return await api.call("POST", RINGS, body, expect=expect)


async def test_a_ring_changes_nothing_of_the_group_until_it_is_promoted(api: Api) -> None:
    service_id = await prepared(api)
    told = (await ring(api, service_id, dry_run=True))["value"]
    assert told["groups"][0]["changes"]
    assert (await api.call("GET", RINGS))["total"] == 0
    made = (await ring(api, service_id, note="try"))["value"]
    assert (made["state"], made["revision"], made["members"]) == ("running", 2, told["members"])
    assert len(made["members"]) == 1
    assert await paths(api, service_id) == ["/orders"]
    assert (await live(api, service_id))["version"] == "1"
    shown = (await api.call("GET", f"{RINGS}/{made['id']}"))["value"]
    assert [(c["kind"], c["name"], c["action"]) for c in shown["changes"]] == [("routes", "n", "added")]
    assert shown["text"]
    ended = (await api.call("POST", f"{RINGS}/{made['id']}/promote", {"note": "fine"}))["value"]
    assert (ended["state"], ended["reason"], ended["ended_by"]) == ("promoted", "fine", "admin")
    assert await paths(api, service_id) == ["/new", "/orders"]
    assert (await live(api, service_id))["version"] == "2"
    again = await api.refused("POST", f"{RINGS}/{made['id']}/rollback", {}, status=409)
    assert again == f"ring [{made['id']}] is over already"
    revisions = (await api.call("GET", "/api/gateway_groups/default/revisions"))["list"]
    assert [(r["revision"], r["action"]) for r in revisions] == [(3, "ring-promote"), (2, "ring-start"), (1, "publish")]
    history = (await api.call("GET", f"/api/gateway_groups/default/services/{service_id}/history"))["list"]
    assert [(entry["action"], entry.get("version")) for entry in history] == [
        ("ring-promote", "2"),
        ("ring-start", "1"),
        ("publish", "1"),
    ]


async def test_a_ring_that_is_rolled_back_leaves_the_group_as_it_was(api: Api) -> None:
    service_id = await prepared(api)
    before = (await api.call("GET", "/api/gateway_groups/default/config"))["value"]
    made = (await ring(api, service_id))["value"]
    ended = (await api.call("POST", f"{RINGS}/{made['id']}/rollback", {"note": "no"}))["value"]
    assert (ended["state"], ended["reason"]) == ("rolled_back", "no")
    after = (await api.call("GET", "/api/gateway_groups/default/config"))["value"]
    assert {**after, "revision": 0} == {**before, "revision": 0}
    assert (await live(api, service_id))["version"] == "1"
    refused = await api.refused("POST", f"/api/gateway_groups/default/services/{service_id}/rollback", {"version": "2"})
    assert "was never published" in refused
    await ring(api, service_id)  # another one may begin, of the version that is there already


async def test_while_a_ring_runs_its_services_are_left_alone_and_others_are_not(api: Api) -> None:
    service_id = await prepared(api)
    made = (await ring(api, service_id))["value"]
    where = f"service [{service_id}] is in ring [{made['id']}] of gateway group [default]"
    said = f"{where}: promote the ring or roll it back first"
    put = {"name": "orders", "upstream": NODES, "plugins": {"cors": {}}}
    route = (await api.call("GET", f"/apisix/admin/routes?service_id={service_id}"))["list"][0]
    assert await api.refused("PUT", f"/apisix/admin/services/{service_id}", put, status=409) == said
    body = {"name": "x", "paths": ["/x"], "service_id": service_id}
    assert await api.refused("PUT", "/apisix/admin/routes/x", body, status=409) == said
    assert await api.refused("DELETE", f"/apisix/admin/routes/{route['id']}", status=409) == said
    assert await api.refused("DELETE", f"/apisix/admin/services/{service_id}", status=409) == said
    assert (await publish(api, service_id, "2", expect=409))["error_msg"] == said
    another = await ring(api, await template(api), expect=409)
    assert another["error_msg"].startswith(f"ring [{made['id']}] runs in gateway group [default]")
    await api.call("PUT", "/apisix/admin/services/free", {"name": "free", "upstream": NODES})
    await api.call("PUT", "/apisix/admin/routes/x", {"name": "x", "paths": ["/x"], "service_id": "free"})


async def test_what_was_counted_is_compared_and_shown_as_a_series(api: Api) -> None:
    service_id = await prepared(api)
    rule = {"metric": "5xx_ratio", "threshold": 0.1, "window_seconds": 60, "min_requests": 10}
    made = (await ring(api, service_id, rule=rule))["value"]
    for requests in (0, 20, 40):
        for name in ("n1", "n2", "n3", "n4"):
            errors = requests // 2 if name in made["members"] else 0
            counted = Counted(requests, errors, ((10.0, requests), (float("inf"), requests)))
            await beat(api, name, tally=Tally(made["id"], 1, {service_id: counted}))
    compared = (await api.call("GET", f"{RINGS}/{made['id']}"))["value"]["comparison"]
    assert compared["ring"] == {
        "requests": 40,
        "errors": 20,
        "error_ratio": 0.5,
        "latency_p50_ms": 5.0,
        "latency_p99_ms": pytest.approx(9.9),
    }
    assert (compared["rest"]["requests"], compared["rest"]["errors"]) == (120, 0)
    assert compared["decision"]["action"] == "roll_back"
    assert sum(point["ring"]["requests"] for point in compared["series"]) == 40
    other = await api.call("GET", f"{RINGS}/{made['id']}?service_id=other&window=30&points=5")
    assert other["value"]["comparison"]["ring"]["requests"] == 0


async def test_rings_that_make_no_sense_are_refused(api: Api) -> None:
    service_id = await prepared(api)
    for share, said in (
        ({}, '"percent", "count" and "labels"'),
        ({"count": 5}, "from 1 to 4, the connected instances"),
        ({"labels": {"zone": "b"}}, "no connected instance"),
    ):
        assert said in (await ring(api, service_id, share=share, expect=400))["error_msg"]
    assert "there is nothing to try" in await api.refused(
        "POST",
        RINGS,
        {"services": [{"service_id": service_id, "version": "1"}], "share": {"count": 1}},
        status=409,
    )
    bad = {"metric": "5xx_ratio", "threshold": 0.1, "window_seconds": 1}
    assert "window_seconds" in (await ring(api, service_id, rule=bad, expect=400))["error_msg"]
    await api.refused("GET", f"{RINGS}/none", status=404)
    await api.refused("POST", f"{RINGS}/none/promote", {}, status=404)


async def test_a_ring_can_wait_for_somebody_elses_consent(api: Api) -> None:
    service_id = await prepared(api)
    await api.call("POST", "/api/approval_rules", {"name": "eyes", "operations": ["ring"]})
    asked = await ring(api, service_id, expect=202)
    assert asked["value"]["approval"]["operation"] == "ring"
    shown = (await api.call("GET", f"/api/approvals/{asked['value']['approval']['id']}"))["value"]
    assert len(shown["preview"]["members"]) == 1
    assert (await api.call("GET", RINGS))["total"] == 0
    colleague = await another(api, "colleague")
    done = await colleague.call("POST", f"/api/approvals/{shown['id']}/approve", {})
    assert done["value"]["ring"]["members"] == shown["preview"]["members"]
    assert done["value"]["ring"]["started_by"] == "admin, approved by colleague"
    assert await paths(api, service_id) == ["/orders"]
