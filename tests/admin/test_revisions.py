"""Revisions of a group: what each did, what was held then, going back, and comparing."""

from typing import Any

import pytest
from admin_api import Api
from orders import CONFIG, NODES, publish, published, version

pytestmark = pytest.mark.anyio
GROUP = "/api/gateway_groups/default"


def service(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "upstream": {"nodes": NODES}, **more}


async def put(api: Api, name: str, **more: Any) -> int:
    path = f"/apisix/admin/services/{name}?gateway_group_id=default"
    response = await api.raw.put(path, json=service(name, **more), headers=api.headers)
    return int(response.headers["x-gateway-group-revision"])


async def test_every_change_is_a_revision_that_says_who_did_what(api: Api) -> None:
    assert await put(api, "one") == 1
    assert await put(api, "one", hosts=["a.test"]) == 2
    await api.call("DELETE", "/apisix/admin/services/one")
    page = await api.call("GET", f"{GROUP}/revisions?page_size=2")
    assert page["total"] == 3
    assert [(row["revision"], row["operator"], row["action"]) for row in page["list"]] == [
        (3, "admin", "edit"),
        (2, "admin", "edit"),
    ]
    assert page["list"][0]["counts"] == {"create": 0, "update": 0, "delete": 1}
    assert page["list"][0]["touched"][0]["name"] == "one"
    second = (await api.call("GET", f"{GROUP}/revisions/2?config=true"))["value"]
    assert second["text"] == ["service one: hosts set to a.test"]
    assert [item["id"] for item in second["config"]["services"]] == ["one"]
    assert "is not kept" in await api.refused("GET", f"{GROUP}/revisions/9", status=404)
    assert "whole number" in await api.refused("GET", f"{GROUP}/revisions/x", status=400)


async def test_a_group_goes_back_to_what_it_held_and_forward_again(api: Api) -> None:
    await api.call("PUT", CONFIG, {"services": [service("one", routes=[{"name": "r", "paths": ["/"]}])]})
    await api.call("PUT", f"{CONFIG}?prune=true", {"services": [service("two")], "global_rules": {"prometheus": {}}})
    tried = (await api.call("POST", f"{GROUP}/revisions/1/restore", {"dry_run": True}))["value"]
    assert (tried["revision"], tried["changed"]) == (2, True)
    assert set(tried["text"]) == {
        "service one added",
        "route r added",
        "service two removed",
        "global rule prometheus removed",
    }
    done = (await api.call("POST", f"{GROUP}/revisions/1/restore", {"note": "two was wrong"}))["value"]
    assert (done["revision"], done["changes"]) == (3, tried["changes"])
    assert (await api.call("GET", f"{GROUP}/compare?with=1"))["value"]["same"]
    newest = (await api.call("GET", f"{GROUP}/revisions"))["list"][0]
    assert (newest["action"], newest["note"]) == ("restore", "two was wrong")
    again = (await api.call("POST", f"{GROUP}/revisions/3/restore", {}))["value"]
    assert (again["revision"], again["changed"]) == (3, False)
    empty = (await api.call("POST", f"{GROUP}/revisions/0/restore", {}))["value"]
    assert empty["revision"] == 4
    assert (await api.call("GET", f"{GROUP}/compare?with=0"))["value"]["same"]


async def test_a_service_that_is_brought_back_has_the_version_it_had(api: Api) -> None:
    id_ = await published(api)
    route = (await api.call("GET", f"/api/routes/template?service_id={id_}"))["list"][0]
    await api.call("PUT", f"/api/routes/template/{route['id']}", {**route, "paths": ["/new"]})
    await publish(api, id_, "1.1")
    edited = (await api.call("GET", f"/apisix/admin/routes/{route['id']}"))["value"]
    await api.call("PUT", f"/apisix/admin/routes/{route['id']}", {**edited, "priority": 3})
    await api.call("DELETE", f"/api/gateway_groups/default/services/{id_}")

    for revision, expected in ((1, "1.0"), (3, None), (2, "1.1")):
        await api.call("POST", f"{GROUP}/revisions/{revision}/restore", {})
        assert await version(api, id_) == expected
    compared = (await api.call("GET", f"{GROUP}/compare?with=1"))["value"]
    assert compared["text"] == ["route r: paths /orders -> /new"]
    [row] = compared["services"]
    assert (row["here"]["version"], row["there"]["version"], row["same"]) == ("1.1", "1.0", False)
    earlier = (await api.call("GET", f"{GROUP}/compare?at=1&with=2"))["value"]
    assert earlier["text"] == ["route r: paths /new -> /orders"]
    assert (earlier["services"][0]["here"]["version"], earlier["services"][0]["there"]["version"]) == ("1.0", "1.1")
    history = (await api.call("GET", f"/api/gateway_groups/default/services/{id_}/history"))["list"]
    assert history[0]["action"] == "restore"

    enforced = {"name": "default", "description": "", "enforce_service_publishing": True}
    await api.call("PUT", GROUP, enforced)
    assert "publishing only" in await api.refused("POST", f"{GROUP}/revisions/3/restore", {})
    await api.call("POST", f"{GROUP}/revisions/1/restore", {})
    assert await version(api, id_) == "1.0"


async def test_groups_are_compared_by_name_where_ids_differ(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    route = {"name": "r", "paths": ["/"]}
    here = {"services": [service("orders", routes=[route]), service("only-here")]}
    there = {"services": [{"id": "x", **service("orders", hosts=["b.test"], routes=[{"id": "y", **route}])}]}
    await api.call("PUT", CONFIG, here)
    await api.call("PUT", f"/api/gateway_groups/{other}/config", there)
    compared = (await api.call("GET", f"{GROUP}/compare?with={other}"))["value"]
    assert compared["text"] == ["service only-here added", "service orders: hosts removed (was b.test)"]
    assert [(row["name"], row["there"] is None, row["same"]) for row in compared["services"]] == [
        ("only-here", True, False),
        ("orders", False, False),
    ]
    assert "not found" in await api.refused("GET", f"{GROUP}/compare?with=nope", status=404)


async def test_the_matrix_tells_which_version_runs_where(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    id_ = await published(api)
    matrix = (await api.call("GET", f"/api/compare/services?gateway_group_ids=default,{other}"))["value"]
    assert [group["name"] for group in matrix["gateway_groups"]] == ["default", "other"]
    [row] = matrix["services"]
    assert (row["service_id"], row["groups"]["default"]["version"], row["same"]) == (id_, "1.0", False)
    order = {"gateway_group_id": other, "services": [{"service_id": id_, "version": "1.0"}]}
    await api.call("POST", "/api/services/publish", order)
    [row] = (await api.call("GET", "/api/compare/services"))["value"]["services"]
    assert row["same"]
