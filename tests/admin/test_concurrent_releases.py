"""Releases at the same time: one after the other in every group they share, and each whole."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from admin_api import Api

pytestmark = pytest.mark.anyio
NODES = {"nodes": [{"host": "a.test", "port": 80, "weight": 1}]}
VERSIONS = ("1.0.0", "2.0.0", "3.0.0")


async def groups_and_service(api: Api) -> tuple[list[str], str]:
    """Two groups, and a service with three versions whose routes are called after them."""
    made = [(await api.call("POST", "/api/gateway_groups", {"name": n}))["value"]["id"] for n in ("one", "two")]
    body = {"name": "shop", "upstream": NODES, "hosts": ["shop"]}
    service = (await api.call("POST", "/api/services/template", body))["value"]["id"]
    for version in VERSIONS:
        for route in (await api.call("GET", f"/api/routes/template?service_id={service}"))["list"]:
            await api.call("DELETE", f"/api/routes/template/{route['id']}")
        for part in ("a", "b"):
            route = {"name": f"{version} {part}", "paths": [f"/{part}"], "service_id": service}
            await api.call("POST", "/api/routes/template", route)
        item = {"service_id": service, "version": version}
        body = {"create_new_version": True, "gateway_group_ids": made, "services": [item]}
        await api.call("POST", "/api/services/publish", body)
    return made, service


async def running(api: Api, group: str, service: str) -> tuple[str, set[str]]:
    """The version a group says it runs, and the version its routes are of."""
    live = (await api.call("GET", f"/api/gateway_groups/{group}/services/{service}"))["value"]["version"]
    listed = await api.call("GET", f"/apisix/admin/routes?service_id={service}&gateway_group_id={group}")
    return live, {route["name"] for route in listed["list"]}


async def test_two_publications_at_once_never_interleave(api: Api) -> None:
    groups, service = await groups_and_service(api)

    random = Random(7)
    for _ in range(12):
        versions = random.choices(VERSIONS, k=random.randint(2, 4))
        turned = [random.choice([groups, groups[::-1]]) for _ in versions]
        await asyncio.gather(*(publish(api, service, *each) for each in zip(versions, turned, strict=True)))
        found = [await running(api, group, service) for group in groups]
        assert found[0] == found[1]
        version, routes = found[0]
        assert version in versions
        assert routes == {f"{version} a", f"{version} b"}
    for group in groups:
        await whole_history(api, group, service)


async def publish(api: Api, service: str, version: str, groups: Sequence[str]) -> None:
    body = {"gateway_group_ids": list(groups), "services": [{"service_id": service, "version": version}]}
    await api.call("POST", "/api/services/publish", body)


async def whole_history(api: Api, group: str, service: str) -> None:
    """Every entry has a revision of its own, and they follow one another without a gap."""
    entries: list[dict[str, Any]] = (await api.call("GET", f"/api/gateway_groups/{group}/services/{service}/history"))[
        "list"
    ]
    revisions = [entry["revision"] for entry in entries]
    assert revisions == list(range(len(entries), 0, -1))
    assert (await api.store.revisions())[group] == len(entries)


async def test_the_same_new_version_asked_for_twice_at_once_is_made_once(api: Api) -> None:
    groups, service = await groups_and_service(api)
    item = {"service_id": service, "version": "4.0.0"}
    bodies = [{"create_new_version": True, "gateway_group_id": group, "services": [item]} for group in groups]
    done = await asyncio.gather(*(api.call("POST", "/api/services/publish", body) for body in bodies * 2))
    assert len({each["value"]["versions"][0]["service_version_id"] for each in done}) == 1
    versions = (await api.call("GET", f"/api/services/{service}/versions"))["list"]
    assert [version["version"] for version in versions] == ["4.0.0", *reversed(VERSIONS)]
