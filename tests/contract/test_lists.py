"""Lists: envelope, order, pages, search and label filters, the same for every collection."""

import time
from typing import Any

import pytest

from tests.contract.calls import ABSENT, Call, Caller, Each
from tests.contract.pem import pair

pytestmark = pytest.mark.anyio
CERT, KEY = pair("a.example.com")

COLLECTIONS: dict[str, dict[str, Any]] = {
    "services": {"name": "{id}"},
    "routes": {"name": "{id}", "service_id": "owner", "paths": ["/{id}"]},
    "consumers": {"username": "{id}"},
    "ssls": {"name": "{id}", "snis": ["{id}.example.com"], "cert": CERT, "key": KEY},
    "services/owner/upstreams": {"name": "{id}"},
    "consumers/boss/credentials": {"name": "{id}", "plugins": {"key-auth": {"key": "{id}"}}},
}


def body(path: str, id_: str, **more: Any) -> dict[str, Any]:
    def filled(part: Any) -> Any:
        match part:
            case str():
                return part.replace("{id}", id_)
            case dict():
                return {key: filled(value) for key, value in part.items()}
            case list():
                return [filled(value) for value in part]
            case _:
                return part

    return {**filled(COLLECTIONS[path]), **more}


@pytest.fixture
async def filled(group: Caller, request: pytest.FixtureRequest) -> Caller:
    """A group with a, b and c in the collection the test is about, written in this order, then `a` again."""
    path = request.node.callspec.params["path"]
    await group.put("services/owner", {"name": "owner"})
    await group.put("consumers/boss", {"username": "boss"})
    for id_ in "abca":
        labels = {"k8s/kind": "odd" if id_ == "b" else "even", "managed-by": "adc", id_: "yes"}
        await group.put(f"{path}/{id_}", body(path, id_, desc=f"The {id_.upper()} one, 100% of it", labels=labels))
    return group


@pytest.mark.parametrize("path", COLLECTIONS)
async def test_a_list_is_ordered_paged_and_filtered(path: str, filled: Caller) -> None:
    async def ids(**params: Any) -> list[str]:
        found = await filled.ids(path, service_id="owner", **params)
        return [id_ for id_ in found if id_ in {"a", "b", "c"}]

    assert await ids() == ["a", "c", "b"], "the last written first, also within one second"
    assert await ids(direction="asc") == ["b", "c", "a"]
    assert await ids(order_by="created_at") == ["c", "b", "a"]
    assert await ids(order_by="created_at", direction="asc") == ["a", "b", "c"]
    assert await ids(order_by="updated_at", direction="desc", page=1, page_size=2) == ["a", "c"]
    assert await ids(search="the b ONE") == ["b"]
    assert await ids(search="100%") == ["a", "c", "b"]
    assert await ids(search="100_") == []
    assert await ids(**{"labels[k8s/kind]": "odd"}) == ["b"]
    assert await ids(**{"labels[k8s/kind]": "even", "labels[managed-by]": "adc", "labels[c]": "yes"}) == ["c"]
    assert await ids(**{"labels[k8s/kind]": "none"}) == []
    assert await ids(label="b") == ["b"]


@pytest.mark.parametrize("path", COLLECTIONS)
async def test_a_page_tells_how_many_there_are_in_all(path: str, filled: Caller) -> None:
    whole = await filled.get(path, service_id="owner")
    assert whole["total"] == len(whole["list"]) >= 3
    pages = [(await filled.get(path, service_id="owner", page=page, page_size=2))["list"] for page in (1, 2, 3)]
    assert [item for page in pages for item in page] == whole["list"]
    assert (await filled.get(path, service_id="owner", page=2, page_size=2))["total"] == whole["total"]


async def test_an_empty_list_is_a_list(group: Caller) -> None:
    for path in ("services", "routes?service_id=x", "consumers", "ssls", "global_rules"):
        await group.expect(Call("GET", path, shape={"list": [], "total": 0, "value": ABSENT}))


async def test_global_rules_have_no_labels_and_ignore_filters_by_them(group: Caller) -> None:
    await group.put("global_rules/cors", {"plugins": {"cors": {}}})
    assert await group.ids("global_rules", **{"labels[team]": "1"}) == ["cors"]
    assert await group.ids("global_rules", label="team") == ["cors"]


async def test_a_service_in_a_list_has_all_that_clients_read(group: Caller) -> None:
    await group.put("services/s1", {"name": "one", "upstream": {"nodes": []}})
    shape = {"id": "s1", "type": "http", "status": 1, "upstream": dict, "created_at": int, "updated_at": int}
    await group.expect(Call("GET", "services?with_publish_info=true", shape={"list": [shape], "total": 1}))


async def test_routes_are_listed_per_service_and_all_together(group: Caller) -> None:
    for name in ("one", "two"):
        await group.put(f"services/{name}", {"name": name})
        await group.put(f"routes/r-{name}", {"name": name, "service_id": name, "paths": ["/"]})
    assert await group.ids("routes", service_id="one") == ["r-one"]
    assert await group.ids("routes", service_id="nothing") == []
    assert sorted(await group.ids("routes")) == ["r-one", "r-two"]


async def test_times_are_unix_seconds(group: Caller) -> None:
    began = int(time.time())
    await group.put("services/s1", {"name": "one"})
    times = (await group.get("services/s1"))["value"]
    for field in ("created_at", "updated_at"):
        assert began - 2 <= times[field] <= time.time() + 2
    await group.expect(Call("GET", "/api/gateway_groups", shape={"list": Each({"created_at": int, "updated_at": int})}))


async def test_ids_are_as_the_client_chose_them(group: Caller) -> None:
    for id_ in ("custom-service", "A.b_c-1", "x" * 256):
        await group.put(f"services/{id_}", {"name": "one"})
        assert (await group.get(f"services/{id_}"))["value"]["id"] == id_


async def test_the_same_id_in_two_groups_is_two_things(group: Caller, boss: Caller) -> None:
    await group.put("services/s1", {"name": "one"})
    assert (await Caller(boss.http, boss.credential, "default").send("GET", "services/s1")).status_code == 404


async def test_services_are_found_by_type_and_host_and_say_what_is_published(boss: Caller, group: Caller) -> None:
    await group.put("services/a", {"name": "a", "hosts": ["a.com", "b.com"]})
    await group.put("services/s", {"name": "s", "type": "stream"})
    made = (await boss.post("/api/services/template", {"name": "t"}))["value"]["id"]
    item = {"service_id": made, "version": "1.0.0", "upstream": {"nodes": []}}
    order = {"create_new_version": True, "gateway_group_id": group.group, "services": [item]}
    await boss.post("/api/services/publish", order)
    assert await group.ids("services", type="stream") == ["s"]
    assert sorted(await group.ids("services", type="http")) == sorted(["a", made])
    assert await group.ids("services", hosts="b.com") == ["a"]
    info = {item["id"]: item for item in (await group.get("services", with_publish_info="true"))["list"]}
    assert info[made]["version"] == "1.0.0"
    assert "version" not in info["a"]
    assert "version" not in (await group.get("services"))["list"][0]
