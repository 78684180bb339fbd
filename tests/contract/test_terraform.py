"""The Terraform provider: generated code that reads status 200 and JSON, and a deletion's body as a string."""

from typing import Any

import pytest

from tests.contract.calls import Caller

pytestmark = pytest.mark.anyio
SERVICE = {"name": "tf", "type": "http", "desc": "", "hosts": ["tf.example.com"], "strip_path_prefix": True}
UPSTREAM = {
    "name": "default",
    "scheme": "http",
    "type": "roundrobin",
    "nodes": [{"host": "10.0.0.1", "port": 80, "weight": 1, "priority": 0}],
    "timeout": {"connect": 60, "send": 60, "read": 60},
}
RESOURCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "consumer": ("consumers", "username", {"username": "tf_user", "desc": "a", "labels": {"a": "b"}}),
    "service": ("services", "id", {**SERVICE, "upstream": UPSTREAM}),
    "route": (
        "routes",
        "id",
        {"name": "tf", "service_id": "owner", "paths": ["/tf"], "priority": 5, "methods": ["GET"]},
    ),
}


@pytest.mark.parametrize("name", RESOURCES)
async def test_create_read_update_delete(name: str, group: Caller) -> None:
    path, key, body = RESOURCES[name]
    await group.put("services/owner", {"name": "owner"})
    created = await json(group, "POST", path, body)
    one = f"{path}/{created['value'][key]}"
    read = await json(group, "GET", one)
    assert read["value"] == created["value"]
    for field in body.keys() - {"upstream"}:
        assert read["value"][field] == body[field]
    updated = await json(group, "PUT", one, {**body, "desc": "changed"})
    assert updated["value"]["desc"] == "changed"
    assert (await json(group, "GET", one))["value"] == updated["value"]
    assert await json(group, "DELETE", one) == ""
    gone = await group.send("GET", one)
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/json")
    assert gone.json()["error_msg"]


async def test_numbers_that_were_whole_come_back_whole(group: Caller) -> None:
    """The provider's client reads timeouts as integers."""
    upstream = (await group.expect_value("PUT", "services/s1", {}, {**SERVICE, "upstream": UPSTREAM}))["upstream"]
    numbers = [*upstream["timeout"].values(), upstream["retry_timeout"], *upstream["nodes"][0].values()]
    assert {type(number) for number in numbers} == {int, str}


async def json(group: Caller, method: str, path: str, *body: Any) -> Any:
    answer = await group.send(method, path, *body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
    return answer.json()
