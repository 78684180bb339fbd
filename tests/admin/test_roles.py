"""Roles and permission policies: what they grant, at once and to the letter."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from admin_api import Api
from conftest import certificate

from gatefleet.admin.policies import Asked, Policy, decide, read_statements
from gatefleet.errors import Invalid

pytestmark = pytest.mark.anyio
GROUP = "arn:api7:gateway:gatewaygroup"


def statement(actions: list[str], resources: list[str], **more: Any) -> dict[str, Any]:
    return {"actions": actions, "resources": resources, **more}


def env(value: str) -> dict[str, Any]:
    return {
        "gateway_group_label": {
            "type": "MatchLabel",
            "options": {"key": "env", "operator": "exact_match", "value": value},
        }
    }


async def somebody(api: Api, *statements: dict[str, Any], name: str = "jane") -> tuple[Api, str, str]:
    """A user with one role of one policy: the API as she calls it, her id and the policy's."""
    policy = (await api.call("POST", "/api/permission_policies", {"name": name, "statement": list(statements)}))[
        "value"
    ]
    role = (await api.call("POST", "/api/roles", {"name": name, "policies": [policy["id"]]}))["value"]
    user = (await api.call("POST", "/api/invites", {"username": name, "password": name}))["value"]
    await api.call("PUT", f"/api/users/{user['id']}/assigned_roles", {"roles": [role["id"]]})
    basic = "Basic " + base64.b64encode(f"{name}:{name}".encode()).decode()
    return replace(api, headers={"Authorization": basic}), user["id"], policy["id"]


def asked(action: str, resource: str = "x", **labels: dict[str, str]) -> Asked:
    return Asked(action, resource, labels)


@pytest.mark.parametrize(
    ("actions", "resources", "question", "allowed"),
    [
        (["gateway:GetConsumer"], [f"{GROUP}/a"], asked("gateway:GetConsumer", f"{GROUP}/a"), True),
        (["gateway:GetConsumer"], [f"{GROUP}/a"], asked("gateway:GetConsumer", f"{GROUP}/ab"), False),
        (["gateway:GetConsumer"], [f"{GROUP}/a"], asked("gateway:GetConsumers", f"{GROUP}/a"), False),
        (["gateway:<.*>Consumer"], ["*"], asked("gateway:DeleteConsumer", "y"), True),
        (["<.*>Get<.*>"], [f"{GROUP}/*"], asked("iam:GetUser", "arn:api7:iam:user/1"), False),
        (["gateway:Get.onsumer"], ["*"], asked("gateway:GetConsumer"), False),
        (["gateway:<Get|Update>SNI"], [f"{GROUP}/<[0-9]+>"], asked("gateway:UpdateSNI", f"{GROUP}/12"), True),
        (["gateway:<Get|Update>SNI"], [f"{GROUP}/<[0-9]+>"], asked("gateway:UpdateSNI", f"{GROUP}/1x"), False),
        (["*"], [f"{GROUP}/<.*>/publishedservice/s"], asked("z", f"{GROUP}/a/publishedservice/s"), True),
    ],
)
def test_patterns_match_to_the_letter_and_nothing_else(
    actions: list[str], resources: list[str], question: Asked, *, allowed: bool
) -> None:
    policy = Policy("p", read_statements([statement(actions, resources)]))
    assert decide([policy], [], question).allowed is allowed


def test_a_denial_wins_wherever_it_stands_and_a_boundary_narrows() -> None:
    everything = Policy("all", read_statements([statement(["*"], ["*"])]))
    no_users = Policy("none", read_statements([statement(["iam:*"], ["*"], effect="deny")]))
    reading = Policy("read", read_statements([statement(["<.*>:Get<.*>"], ["*"])]))
    assert decide([everything], [], asked("iam:GetUser")).allowed
    for policies, boundary in (([everything, no_users], []), ([no_users, everything], []), ([everything], [no_users])):
        decision = decide(policies, boundary, asked("iam:GetUser"))
        assert (decision.allowed, decision.policy) == (False, "none")
    assert decide([everything], [reading], asked("gateway:GetSNI")).allowed
    assert not decide([everything], [reading], asked("gateway:DeleteSNI")).allowed
    assert not decide([], [everything], asked("gateway:GetSNI")).allowed


def test_conditions_come_in_two_forms_and_all_must_hold() -> None:
    for conditions in (env("dev"), [env("dev")]):
        policy = Policy("p", read_statements([statement(["*"], ["*"], conditions=conditions)]))
        assert decide([policy], [], asked("a", gateway_group_label={"env": "dev"})).allowed
        assert not decide([policy], [], asked("a", gateway_group_label={"env": "prod"})).allowed
        assert not decide([policy], [], asked("a")).allowed


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (None, "1 to 100 statements"),
        ([], "1 to 100 statements"),
        ([statement([], ["*"])], "/statement/0/actions"),
        ([statement(["*"], ["<(>"])], "/statement/0/resources"),
        ([statement(["*"], ["<"])], 'has a "<" without ">"'),
        ([statement(["*"], ["*"], effect="maybe")], "effect"),
        ([statement(["*"], ["*"], conditions={"moon_label": env("x")["gateway_group_label"]})], "moon_label"),
        (["x"], "/statement"),
    ],
)
def test_statements_that_make_no_sense_are_refused(raw: Any, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        Policy("p", read_statements(raw))
    assert problem in str(refused.value)


async def test_a_role_for_one_group_opens_that_group_and_no_other(api: Api) -> None:
    other = (await api.call("POST", "/api/gateway_groups", {"name": "other"}))["value"]["id"]
    jane, _, _ = await somebody(api, statement(["gateway:GetGatewayGroup", "gateway:*Consumer"], [f"{GROUP}/{other}"]))
    assert await jane.call("PUT", f"/apisix/admin/consumers/jack?gateway_group_id={other}", {"username": "jack"})
    await jane.call("GET", f"/apisix/admin/consumers/jack?gateway_group_id={other}")
    for method, path, body in (
        ("PUT", "/apisix/admin/consumers/jack?gateway_group_id=default", {"username": "jack"}),
        ("GET", f"/apisix/admin/services?gateway_group_id={other}", None),
        ("DELETE", f"/api/gateway_groups/{other}", None),
        ("GET", "/api/users", None),
        ("POST", "/api/permission_policies", {"name": "mine", "statement": [statement(["*"], ["*"])]}),
    ):
        assert "is not allowed" in await jane.refused(method, path, body, status=403)
    listed = await jane.call("GET", "/api/gateway_groups")
    assert ([group["id"] for group in listed["list"]], listed["total"]) == ([other], 1)


async def test_a_role_for_one_service_covers_its_routes_and_not_its_neighbours(api: Api) -> None:
    for name in ("mine", "theirs"):
        await api.call("PUT", f"/apisix/admin/services/{name}", {"name": name})
        route = {"name": name, "paths": [f"/{name}"], "service_id": name}
        await api.call("PUT", f"/apisix/admin/routes/{name}", route)
    jane, _, _ = await somebody(
        api, statement(["gateway:*PublishedService"], [f"{GROUP}/default/publishedservice/mine"])
    )
    mine = {"name": "mine", "paths": ["/other"], "service_id": "mine"}
    await jane.call("PUT", "/apisix/admin/routes/mine", mine)
    await jane.call("PUT", "/apisix/admin/routes/new", mine)
    await jane.call("GET", "/apisix/admin/routes?service_id=mine")
    await jane.call("GET", "/api/gateway_groups/default/services/mine")
    theirs = {"name": "x", "paths": ["/x"], "service_id": "theirs"}
    for method, path, body in (
        ("GET", "/apisix/admin/routes/theirs", None),
        ("DELETE", "/apisix/admin/routes/theirs", None),
        ("PUT", "/apisix/admin/routes/mine", theirs),
        ("PUT", "/apisix/admin/routes/theirs", mine),
        ("POST", "/apisix/admin/routes", theirs),
        ("GET", "/apisix/admin/routes?service_id=theirs", None),
        ("GET", "/apisix/admin/services/theirs", None),
        ("DELETE", "/api/gateway_groups/default/services/theirs", None),
    ):
        assert "is not allowed" in await jane.refused(method, path, body, status=403), (method, path)


def label(kind: str, value: str) -> dict[str, Any]:
    return {kind: {"type": "MatchLabel", "options": {"key": "team", "operator": "exact_match", "value": value}}}


async def test_lists_hold_what_the_caller_may_read_and_nothing_else(api: Api) -> None:
    for name in ("mine", "theirs"):
        labels = {"labels": {"team": name}}
        await api.call("PUT", f"/apisix/admin/services/{name}", {"name": name, **labels})
        await api.call("PUT", f"/apisix/admin/services/tcp-{name}", {"name": f"tcp-{name}", "type": "stream", **labels})
        await api.call("PUT", f"/apisix/admin/routes/{name}", {"name": name, "paths": [f"/{name}"], "service_id": name})
        stream = {"name": name, "service_id": f"tcp-{name}", "server_port": 12000 + len(name)}
        await api.call("PUT", f"/apisix/admin/stream_routes/{name}", stream)
        await api.call("PUT", f"/apisix/admin/consumers/{name}", {"username": name, **labels})
        await api.call("POST", "/api/services/template", {"name": name, **labels})
        policy = {"name": name, "statement": [statement(["x"], ["y"])], **labels}
        await api.call("POST", "/api/permission_policies", policy)
        await api.call("POST", "/api/roles", {"name": name, **labels})
    lists = {
        "/apisix/admin/services": "gateway:GetPublishedService",
        "/api/gateway_groups/default/services": "gateway:GetPublishedService",
        "/apisix/admin/routes": "gateway:GetPublishedService",
        "/apisix/admin/stream_routes": "gateway:GetPublishedService",
        "/apisix/admin/consumers": "gateway:GetConsumer",
        "/api/services/template": "gateway:GetServiceTemplate",
        "/api/roles": "iam:GetRole",
        "/api/permission_policies": "iam:GetPermissionPolicy",
    }
    conditions = [
        statement([f"{area}:*"], ["*"], conditions=label(f"{kind}_label", "mine"))
        for area, kind in (
            ("gateway", "service"),
            ("gateway", "consumer"),
            ("iam", "role"),
            ("iam", "permissionpolicy"),
        )
    ]
    labelled, _, _ = await somebody(api, *conditions)
    denied = [
        {**each, "effect": "deny", "conditions": label(next(iter(each["conditions"])), "theirs")} for each in conditions
    ]
    others, _, _ = await somebody(api, statement(["*"], ["*"]), *denied, name="joe")
    nobody, _, _ = await somebody(api, statement(["gateway:PublishServices"], ["*"]), name="jim")
    for path, action in lists.items():
        for caller in (labelled, others):
            found = await caller.call("GET", path)
            names = {each.get("name") or each["username"] for each in found["list"]}
            assert "mine" in names, path
            assert not {name for name in names if "theirs" in name}, path
            assert found["total"] == len(found["list"])
            one = await caller.call("GET", f"{path}?page_size=1&page=1")
            assert (len(one["list"]), one["total"]) == (1, found["total"]), path
        assert f"[{action}]" in await nobody.refused("GET", path, status=403)
    for method, path, body in (
        ("PUT", "/apisix/admin/services/theirs", {"name": "theirs", "labels": {"team": "mine"}}),
        ("GET", "/apisix/admin/routes/theirs", None),
        ("PUT", "/apisix/admin/consumers", {"username": "theirs", "labels": {"team": "mine"}}),
        ("POST", "/apisix/admin/consumers", {"username": "new", "labels": {"team": "theirs"}}),
        ("POST", "/api/roles", {"name": "new", "labels": {"team": "theirs"}}),
    ):
        for caller in (labelled, others):
            assert "is not allowed" in await caller.refused(method, path, body, status=403), path
    await labelled.call("POST", "/apisix/admin/consumers", {"username": "new", "labels": {"team": "mine"}})
    readers = await api.call("GET", "/api/gateway_groups/default/services/mine/permitted_users")
    assert {each["username"] for each in readers["list"]} == {"admin", "jane", "joe"}
    readers = await api.call("GET", "/api/gateway_groups/default/services/theirs/permitted_users")
    assert {each["username"] for each in readers["list"]} == {"admin"}


async def test_labels_and_numbers_are_of_what_the_caller_may_read(api: Api) -> None:
    for name in ("mine", "theirs"):
        labels = {"labels": {"team": name}}
        await api.call("PUT", f"/apisix/admin/services/{name}", {"name": name, **labels})
        route = {"name": name, "paths": [f"/{name}"], "service_id": name, "labels": {"of": name}}
        await api.call("PUT", f"/apisix/admin/routes/{name}", route)
        await api.call("PUT", f"/apisix/admin/consumers/{name}", {"username": name, **labels})
        made = await api.call("POST", "/api/services/template", {"name": name, **labels})
        below = {"name": name, "paths": ["/"], "service_id": made["value"]["id"], "labels": {"of": name}}
        await api.call("POST", "/api/routes/template", below)
    mine = [
        statement(["gateway:*"], ["*"], conditions=label(f"{kind}_label", "mine")) for kind in ("service", "consumer")
    ]
    jane, _, _ = await somebody(api, statement(["gateway:GetGatewayGroup"], ["*"]), *mine)
    keys = {"service": "team", "route": "of", "consumer": "team", "service_template": "team", "route_template": "of"}
    for kind, key in keys.items():
        assert (await jane.call("GET", f"/api/labels/{kind}"))["value"] == {key: ["mine"]}, kind
        assert (await api.call("GET", f"/api/labels/{kind}"))["value"] == {key: ["mine", "theirs"]}, kind
    for kind in ("service", "route", "consumer"):
        path = f"/api/gateway_groups/count/{kind}"
        numbers = [(await caller.call("GET", path))["list"][0]["count"] for caller in (jane, api)]
        assert numbers == [1, 2], kind
    kinds = {"service", "route", "consumer", "service_template"}
    for caller, names in ((jane, {"mine"}), (api, {"mine", "theirs"})):
        hits = (await caller.call("GET", "/api/search?text=i"))["list"]  # in "mine" and in "theirs"
        assert {(hit["kind"], hit["name"]) for hit in hits} == {(kind, name) for kind in kinds for name in names}
    key = (await api.call("PUT", "/api/gateway_groups/default/admin_key"))["value"]["key"]
    assert {hit["kind"] for hit in (await api.acting_as(key).call("GET", "/api/search?text=i"))["list"]} == kinds - {
        "service_template"
    }
    assert (await api.acting_as(key).call("GET", "/api/labels/service_template"))["value"] == {}
    assert (await api.acting_as(key).call("GET", "/api/labels/service"))["value"] == {"team": ["mine", "theirs"]}
    blind, _, _ = await somebody(api, statement(["gateway:GetGatewayGroup"], ["*"]), name="jim")
    assert (await blind.call("GET", "/api/labels/ssl"))["value"] == {}
    assert (await blind.call("GET", "/api/gateway_groups/count/service"))["list"][0]["count"] == 0
    assert (await blind.call("GET", "/api/search?text=i"))["list"] == []
    assert "nothing" in await blind.refused("GET", "/api/labels/nothing")


async def test_what_is_found_is_the_very_text_first_and_of_each_kind_a_few(api: Api) -> None:
    await api.call("PUT", "/apisix/admin/services/s", {"name": "a service"})
    for name in ("getter", "get", "to get", *(f"get {n}" for n in range(9))):
        route = {"name": name, "paths": [f"/{name.replace(' ', '-')}"], "service_id": "s"}
        await api.call("PUT", f"/apisix/admin/routes/{name.replace(' ', '-')}", route)
    found = (await api.call("GET", "/api/search?text=get"))["list"]
    assert [found[0]["name"], len(found)] == ["get", 8]
    assert (await api.call("GET", "/api/search?text=/to-g"))["list"] == [
        {
            "kind": "route",
            "id": "to-get",
            "name": "to get",
            "service_id": "s",
            "gateway_group_id": "default",
            "gateway_group_name": "default",
        }
    ]
    assert (await api.call("GET", "/api/search?text=%25"))["list"] == []  # a % is a % and no wildcard
    assert "text" in await api.refused("GET", "/api/search?text=%20")


async def test_secrets_are_clear_to_who_may_read_them_and_stars_come_back_as_what_is_stored(api: Api) -> None:
    pair = certificate("a.test")
    tls = {"client_cert": pair.certificate, "client_key": pair.key}
    service = {"name": "s", "upstream": {"tls": tls}, "plugins": {"csrf": {"key": "hush"}}}
    await api.call("PUT", "/apisix/admin/services/s", service)
    await api.call("PUT", "/apisix/admin/consumers/c", {"username": "c"})
    credential = {"name": "k", "plugins": {"key-auth": {"key": "hush"}}}
    await api.call("PUT", "/apisix/admin/consumers/c/credentials/k", credential)
    jane, _, _ = await somebody(api, statement(["<.*>Get<.*>", "<.*>Update<.*>"], ["*"]))
    paths = ("/apisix/admin/services/s", "/apisix/admin/consumers/c/credentials/k")
    for path in (*paths, "/apisix/admin/services", "/apisix/admin/consumers/c/credentials"):
        hidden, clear = json.dumps(await jane.call("GET", path)), json.dumps(await api.call("GET", path))
        assert ("hush" in hidden, "***" in hidden, "hush" in clear) == (False, True, True), path
        assert "PRIVATE KEY" not in clear, "a private key is never told, to nobody"
    seen = await api.call("GET", "/api/audit_logs?event_type=GetConsumerCredential")
    assert [entry["http_request"]["body"] for entry in seen["list"]] == [{"secrets_in_clear": 1}]

    for path in paths:
        body = (await jane.call("GET", path))["value"]
        assert "***" in json.dumps((await jane.call("PUT", path, {**body, "desc": "d"}))["value"])
        await jane.call("PATCH", path, [{"op": "replace", "path": "/desc", "value": "e"}])
        await jane.call("PATCH", path, {"desc": "f"})
        assert "hush" in json.dumps(await api.call("GET", path)), "stars have become what they stand for"
    (kept,) = [d for d in (await api.store.read_changes("default", 0)).upserts if d.kind == "services"]
    assert kept.body["upstream"]["tls"] == tls

    steal = [{"op": "copy", "from": "/plugins/key-auth/key", "path": "/desc"}]
    stolen = (await jane.call("PATCH", paths[1], steal))["value"]
    assert "hush" not in json.dumps(stolen)
    guess = [{"op": "test", "path": "/plugins/key-auth/key", "value": "hush"}]
    assert "failed" in await jane.refused("PATCH", paths[1], guess)
    moved = {**service, "plugins": {"csrf": {"key": "***"}}}
    assert "/plugins/csrf/key" in await jane.refused("PUT", "/apisix/admin/services/new", moved)


async def test_publishing_needs_every_group_and_service_it_names(api: Api) -> None:
    groups = [
        (await api.call("POST", "/api/gateway_groups", {"name": name, "labels": {"env": name}}))["value"]["id"]
        for name in ("dev", "prod")
    ]
    template = {"name": "t", "upstream": {"nodes": [{"host": "127.0.0.1", "port": 1, "weight": 1}]}}
    service = (await api.call("POST", "/api/services/template", template))["value"]["id"]
    jane, _, _ = await somebody(api, statement(["gateway:PublishServices"], [f"{GROUP}/*"], conditions=env("dev")))
    order = {"create_new_version": True, "services": [{"service_id": service, "version": "1"}]}
    for where in ({"gateway_group_id": groups[1]}, {"gateway_group_ids": groups}, {}):
        assert "gateway:PublishServices" in await jane.refused(
            "POST", "/api/services/publish", {**order, **where}, status=403
        )
    await jane.call("POST", "/api/services/publish", {**order, "gateway_group_id": groups[0]})


async def test_what_is_taken_away_is_refused_from_the_next_request_on(api: Api) -> None:
    jane, user, policy = await somebody(api, statement(["gateway:GetConsumer"], ["*"]))
    await jane.call("GET", "/apisix/admin/consumers")
    body = {"name": "jane", "statement": [statement(["gateway:GetConsumer"], ["*"], effect="deny")]}
    await api.call("PUT", f"/api/permission_policies/{policy}", body)
    message = await jane.refused("GET", "/apisix/admin/consumers", status=403)
    assert "a statement denies it (policy [jane], statement 0)" in message
    body["statement"][0].pop("effect")
    await api.call("PUT", f"/api/permission_policies/{policy}", body)
    await jane.call("GET", "/apisix/admin/consumers")
    bound = await api.call(
        "POST", "/api/permission_policies", {"name": "b", "statement": [statement(["iam:*"], ["*"])]}
    )
    await api.call("PUT", f"/api/users/{user}/boundary", {"permission_policies": [bound["value"]["id"]]})
    assert "boundary" in await jane.refused("GET", "/apisix/admin/consumers", status=403)
    await api.call("PUT", f"/api/users/{user}/boundary", {"permission_policies": []})
    await api.call("PUT", f"/api/users/{user}/assigned_roles", {"roles": []})
    await jane.refused("GET", "/apisix/admin/consumers", status=403)
    await api.call("DELETE", f"/api/users/{user}")
    await jane.refused("GET", "/apisix/admin/consumers", status=401)


async def test_a_policy_is_written_only_if_it_is_what_was_read(api: Api) -> None:
    body = {"name": "p", "statement": [statement(["*"], ["*"])]}
    made = await api.raw.post("/api/permission_policies", headers=api.headers, json=body)
    path = f"/api/permission_policies/{made.json()['value']['id']}"
    read = (await api.raw.get(path, headers=api.headers)).headers["etag"]
    assert made.headers["etag"] == read
    guarded = replace(api, headers={**api.headers, "If-Match": read})
    await guarded.call("PUT", path, {**body, "desc": "first"})
    assert "somebody else" in await guarded.refused("PUT", path, {**body, "desc": "second"}, status=412)
    assert (await api.call("GET", path))["value"]["desc"] == "first"


async def test_what_is_built_in_or_used_stays_and_somebody_can_always_do_everything(api: Api) -> None:
    _, user, policy = await somebody(api, statement(["*"], ["*"]))
    role = (await api.call("GET", "/api/roles?name=jane"))["list"][0]
    assert "still using it" in await api.refused("DELETE", f"/api/roles/{role['id']}")
    assert "still using it" in await api.refused("DELETE", f"/api/permission_policies/{policy}")
    for path in ("/api/roles/super_admin_id", "/api/permission_policies/super_admin_policy_id"):
        await api.refused("DELETE", path, status=403)
        await api.refused("PUT", path, {"name": "x", "statement": [statement(["*"], ["*"])]}, status=403)
    await api.call("POST", f"/api/roles/{role['id']}/detach_permission_policies", [policy])
    assert (await api.call("GET", f"/api/roles/{role['id']}/permission_policies"))["list"] == []
    await api.call("POST", f"/api/roles/{role['id']}/attach_permission_policies", [policy, policy])
    assert (await api.call("GET", f"/api/roles/{role['id']}"))["value"]["policies"] == [policy]
    assert "not found" in await api.refused("POST", f"/api/roles/{role['id']}/attach_permission_policies", ["nope"])
    admin = next(u for u in (await api.call("GET", "/api/users"))["list"] if u["username"] == "admin")
    assert "last administrator" in await api.refused("PUT", f"/api/users/{admin['id']}/assigned_roles", {"roles": []})
    almighty = {"permission_policies": ["super_admin_policy_id"]}
    assert "last administrator" in await api.refused("PUT", f"/api/users/{admin['id']}/boundary", almighty)
    jane = replace(api, headers={"Authorization": "Basic " + base64.b64encode(b"jane:jane").decode()})
    for method, path, body in (
        ("DELETE", f"/api/users/{admin['id']}", None),
        ("PUT", f"/api/users/{admin['id']}/password_reset", {"password": "x"}),
        ("PUT", f"/api/users/{admin['id']}/assigned_roles", {"roles": []}),
    ):
        assert "administrator" in await jane.refused(method, path, body, status=403)
    await api.call("PUT", f"/api/users/{user}/password_reset", {"password": "anew"})
    await jane.refused("GET", "/api/me", status=401)
