"""Two groups, two nodes, one machine: isolated, and each node serves its own group only."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import kit
from tests.e2e.kit import Fleet, GatewayNode, eventually


@dataclass(frozen=True)
class Second:
    """A second group with a node of its own."""

    group: str
    node: GatewayNode


@pytest.fixture(scope="module")
def second(fleet: Fleet) -> Iterator[Second]:
    with kit.workspace() as directory:
        group, token = join(fleet, f"second-{uuid.uuid4().hex[:6]}")
        with kit.node(
            directory / "node", "--dp-manager", f"https://127.0.0.1:{fleet.port('dpm_tls')}", "--token", token
        ) as node:
            eventually(lambda: node.status("/status/ready").status == 200)
            yield Second(group, node)


def join(fleet: Fleet, name: str) -> tuple[str, str]:
    """A new group's id and a join token for it."""
    made = fleet.call("POST", "/api/gateway_groups", {"name": name})
    assert made.status_code == 200, made.text
    group = made.json()["value"]["id"]
    token = fleet.call("POST", f"/api/gateway_groups/{group}/instance_token", {})
    assert token.status_code == 200, token.text
    return group, token.json()["value"]["token_plain_text"]


def test_two_nodes_in_two_groups_serve_different_configurations(fleet: Fleet, second: Second, upstream: int) -> None:
    for group, header in (("default", "first"), (second.group, "second")):
        fleet.service("twin", upstream, group=group)
        plugins = {"response-rewrite": {"headers": {"set": {"x-group": header}}}}
        fleet.route("twin", "twin", "/twin", group=group, plugins=plugins)
    fleet.route("only-first", "twin", "/only-first")
    eventually(lambda: fleet.get("/twin").headers.get("x-group") == "first")
    eventually(lambda: second.node.get("/twin").headers.get("x-group") == "second")
    eventually(lambda: fleet.get("/only-first").status == 200)
    assert second.node.get("/only-first").status == 404


def test_a_version_published_to_two_groups_serves_in_both_with_their_own_upstreams(
    fleet: Fleet, second: Second, upstream: int
) -> None:
    template = fleet.call("POST", "/api/services/template", {"name": "published"}).json()["value"]["id"]
    route = {"name": "r", "service_id": template, "paths": ["/published"]}
    assert fleet.call("POST", "/api/routes/template", route).status_code == 200
    with kit.echo() as other:
        first = publish(fleet, template, "default", upstream, create_new_version=True)
        assert first.status_code == 200, first.text
        version = fleet.call("GET", f"/api/services/{template}/versions/1.0.0").json()["value"]["id"]
        again = publish(fleet, template, second.group, other, create_new_version=False, service_version_id=version)
        assert again.status_code == 200, again.text
        assert eventually(lambda: fleet.get("/published").json()["server"]) == upstream
        assert eventually(lambda: second.node.get("/published").json()["server"]) == other


def publish(
    fleet: Fleet, template: str, group: str, port: int, *, create_new_version: bool, **more: str
) -> kit.httpx.Response:
    nodes = [{"host": "127.0.0.1", "port": port, "weight": 1}]
    service = {"service_id": template, "version": "1.0.0", "upstream": {"nodes": nodes}, **more}
    body = {"create_new_version": create_new_version, "gateway_group_id": group, "services": [service]}
    return fleet.call("POST", "/api/services/publish", body)


def test_a_groups_instances_are_listed_with_what_they_serve(fleet: Fleet, second: Second) -> None:
    found = fleet.call("GET", f"/api/gateway_groups/{second.group}/instances").json()["list"]
    assert [(i["status"], i["gateway_group_id"]) for i in found] == [("Healthy", second.group)]
