"""Decisions explained: the explanation is what a request then meets."""

from typing import Any
from urllib.parse import urlencode

import pytest
from admin_api import Api

from gatefleet.admin.permissions import PERMISSIONS
from tests.admin.test_roles import GROUP, env, label, somebody, statement

pytestmark = pytest.mark.anyio


async def explained(api: Api, path: str, action: str, resource: str, **more: str) -> dict[str, Any]:
    asked = urlencode({"action": action, "resource": resource, **more})
    return (await api.call("GET", f"{path}/decision?{asked}"))["value"]


async def test_an_explanation_says_what_the_request_then_meets_and_who_decided(api: Api) -> None:
    dev = (await api.call("POST", "/api/gateway_groups", {"name": "dev", "labels": {"env": "dev"}}))["value"]["id"]
    prod = (await api.call("POST", "/api/gateway_groups", {"name": "prod", "labels": {"env": "prod"}}))["value"]["id"]
    jane, user, policy = await somebody(
        api,
        statement(["gateway:<.*>"], [f"{GROUP}/*"], conditions=env("dev")),
        statement(["gateway:DeleteConsumer"], ["*"], effect="deny"),
    )
    for group, method, path, action in (
        (dev, "GET", "consumers", "gateway:GetConsumer"),
        (dev, "DELETE", "consumers/x", "gateway:DeleteConsumer"),
        (prod, "GET", "consumers", "gateway:GetConsumer"),
    ):
        told = await explained(api, f"/api/users/{user}", action, f"{GROUP}/{group}")
        assert await explained(jane, "/api/me", action, f"{GROUP}/{group}") == told
        answer = await jane.raw.request(method, f"/apisix/admin/{path}?gateway_group_id={group}", headers=jane.headers)
        assert (answer.status_code != 403) == told["allowed"], told
        assert told["labels"]["gateway_group_label"] == {"env": "dev" if group == dev else "prod"}
        (asked,) = told["asked"]
        assert (asked["id"], asked["roles"], asked["boundary"]) == (policy, ["jane"], False)
        if not told["allowed"]:
            assert told["reason"] in answer.json()["error_msg"]
    denied = await explained(jane, "/api/me", "gateway:DeleteConsumer", f"{GROUP}/{dev}")
    assert (denied["policy"], denied["statement"], denied["asked"][0]["says"]) == ("jane", 1, "deny")
    unsaid = await explained(jane, "/api/me", "gateway:GetConsumer", f"{GROUP}/{prod}")
    assert ("statement" in unsaid, unsaid["asked"][0]["says"]) == (False, "nothing")

    bound = {"name": "b", "statement": [statement(["iam:*"], ["*"])]}
    made = (await api.call("POST", "/api/permission_policies", bound))["value"]["id"]
    await api.call("PUT", f"/api/users/{user}/boundary", {"permission_policies": [made]})
    told = await explained(api, f"/api/users/{user}", "gateway:GetConsumer", f"{GROUP}/{dev}")
    assert (told["allowed"], "boundary" in told["reason"]) == (False, True)
    assert [(each["name"], each["says"], each["boundary"]) for each in told["asked"]] == [
        ("jane", "allow", False),
        ("b", "nothing", True),
    ]
    assert "iam:GetUser" in await jane.refused("GET", f"/api/users/{user}/decision", status=403)


async def test_labels_of_everything_a_resource_names_are_looked_at(api: Api) -> None:
    for name in ("mine", "theirs"):
        labels = {"labels": {"team": name}}
        await api.call("PUT", f"/apisix/admin/services/{name}", {"name": name, **labels})
        await api.call("PUT", f"/apisix/admin/consumers/{name}", {"username": name, **labels})
    conditions = [
        statement(["*"], ["*"], conditions=label(f"{kind}_label", "mine")) for kind in ("service", "consumer")
    ]
    jane, _, _ = await somebody(api, *conditions)
    for name, allowed in (("mine", True), ("theirs", False), ("nobody", False)):
        service = f"{GROUP}/default/publishedservice/{name}"
        assert (await explained(jane, "/api/me", "gateway:GetPublishedService", service))["allowed"] == allowed
        consumer = await explained(jane, "/api/me", "gateway:GetConsumer", f"{GROUP}/default", consumer=name)
        assert consumer["allowed"] == allowed
    for action, resource in (("gateway:Nothing", f"{GROUP}/default"), ("gateway:GetConsumer", "arn:api7:nothing/1")):
        path = f"/api/me/decision?{urlencode({'action': action, 'resource': resource})}"
        assert "/api/permission_policies/actions" in await jane.refused("GET", path)


async def test_every_action_there_is_can_be_asked_about(api: Api) -> None:
    words = (await api.call("GET", "/api/permission_policies/actions"))["value"]
    assert {each["action"] for each in words["actions"]} == {needed.action for needed in PERMISSIONS.values()}
    assert {name for each in words["actions"] for name in each["operations"]} == PERMISSIONS.keys()
    for each in words["actions"]:
        resource = each["resource"].format_map(dict.fromkeys(("group", "service", "template", "id"), "*"))
        assert (await explained(api, "/api/me", each["action"], resource))["allowed"]
