"""ADC against the Admin API: ping, dump, diff, sync, as its command line and both ingress controllers do it."""

import asyncio
import re
from copy import deepcopy
from typing import Any

import pytest

from tests.contract.adc import Adc, events, resources, sha1, short
from tests.contract.calls import ABSENT, Caller
from tests.contract.configuration import CERT, KEY, MIXED, NODES, OTHER_CERT, OTHER_KEY

pytestmark = pytest.mark.anyio
LONG = "n" * 65536


@pytest.fixture(params=["token", "admin key"])
async def adc(request: pytest.FixtureRequest, group: Caller, admin_key: Caller) -> Adc:
    """ADC with a user's token, which finds the group by its name, and with the admin key of a group."""
    name = (await group.get(f"/api/gateway_groups/{group.group}"))["value"]["name"]
    return Adc(admin_key) if request.param == "admin key" else Adc(group, name)


async def test_what_was_synced_shows_no_difference(adc: Adc) -> None:
    await adc.ping()
    assert (await adc.dump()).resources == {}
    created = await adc.sync(MIXED)
    assert {event.step for event in created} == {"create"}
    assert len(created) == 20
    assert await adc.unsettled(MIXED) == []


async def test_each_change_is_one_event(group: Caller) -> None:
    adc = Adc(group)
    await adc.sync(MIXED)
    dump = await adc.dump()
    for expected, change in CHANGES:
        local = deepcopy(MIXED)
        change(local)
        assert short(events(resources(local), dump)) == [expected]


async def test_all_changes_at_once_are_settled_by_one_sync(adc: Adc) -> None:
    await adc.sync(MIXED)
    local = deepcopy(MIXED)
    for _, change in reversed(CHANGES):
        change(local)
    changed = await adc.sync(local)
    assert {event.step for event in changed} == {"update", "delete"}
    assert await adc.unsettled(local) == []


async def test_an_empty_file_deletes_everything(adc: Adc) -> None:
    await adc.sync(MIXED)
    gone = await adc.sync({})
    assert not {"route", "stream_route", "upstream", "consumer_credential"} & {event.resource.kind for event in gone}
    assert (await adc.dump()).resources == {}


async def test_a_label_selector_leaves_out_what_has_other_labels(group: Caller) -> None:
    """Credentials, global rules and plugin metadata have no labels: they are always seen."""
    await Adc(group).sync(MIXED)
    selected = await Adc(group, selector={"team": "1"}).dump()
    assert {kind for kind, _, _ in selected.resources} == {
        *("service", "route", "upstream", "consumer", "consumer_credential", "global_rule", "plugin_metadata"),
    }
    assert ("consumer", None, "jane") not in selected.resources
    assert ("service", None, "custom-service") not in selected.resources
    keyed = await Adc(group, selector={"managed-by": "adc", "stages": '["a", "b"]'}).dump()
    assert [id_ for kind, _, id_ in keyed.resources if kind == "service"] == [SHOP]


async def test_a_service_made_elsewhere_is_replaced_unless_the_file_has_its_id(group: Caller) -> None:
    made = (await group.post("services", {"name": "shop", "type": "http"}))["value"]["id"]
    adc, local = Adc(group), {"services": [{"name": "shop"}]}
    assert short(await adc.diff(local)) == [f"create service [{SHOP}]", f"delete service [{made}]"]
    local["services"][0]["id"] = made
    assert short(await adc.sync(local)) == [f"update service [{made}]"]
    assert await adc.unsettled(local) == []


async def test_names_and_descriptions_may_have_65536_characters(group: Caller) -> None:
    local: dict[str, Any] = {
        "services": [{"name": LONG, "desc": LONG, "routes": [{"name": LONG, "desc": LONG, "uris": ["/"]}]}],
        "consumers": [{"username": "jack", "desc": LONG}],
    }
    adc = Adc(group)
    await adc.sync(local)
    assert await adc.unsettled(local) == []
    message = await group.refused(400, "PUT", "services/s1", {"name": LONG + "n"})
    assert message == 'Error at "/name": maximum string length is 65536'


async def test_what_is_wrong_fails_and_the_rest_of_its_group_is_written(group: Caller) -> None:
    local = {"services": [{"name": "good"}, {"name": "bad", "path_prefix": 12345}, {"name": "fine"}]}
    with pytest.raises(AssertionError, match=re.escape('Error at \\"/path_prefix\\": value must be a string')):
        await Adc(group).sync(local)
    assert sorted(await group.ids("services")) == sorted([sha1("good"), sha1("fine")])


async def test_fifty_parallel_writes_lose_nothing(group: Caller) -> None:
    names = [f"s{number}" for number in range(10)]
    services = [{"name": n, "routes": [{"name": f"r{i}", "uris": [f"/{n}/{i}"]} for i in range(4)]} for n in names]
    adc, local = Adc(group), {"services": services}
    assert len(await adc.sync(local)) == 50
    assert await adc.unsettled(local) == []


async def test_parallel_writes_of_the_same_things_all_succeed(group: Caller) -> None:
    """Ten clients that put the same global rules and the same service at once: none is told to come back later."""
    plugins = ("cors", "request-id", "prometheus", "ip-restriction", "limit-count")
    confs = {"ip-restriction": {"whitelist": ["10.0.0.0/8"]}, "limit-count": {"count": 1, "time_window": 1}}
    rules = [group.put(f"global_rules/{name}", {"plugins": {name: confs.get(name, {})}}) for name in plugins * 4]
    services = [group.put("services/s1", {"name": f"turn {turn}"}) for turn in range(10)]
    await asyncio.gather(*rules, *services)
    assert sorted(await group.ids("global_rules")) == sorted(plugins)
    assert re.match("turn ", (await group.get("services/s1"))["value"]["name"])


async def test_credentials_come_in_clear_and_the_newest_first(group: Caller) -> None:
    await Adc(group).sync({"consumers": MIXED["consumers"]})
    first, second = sha1("jack.first"), sha1("jack.second")
    assert set(await group.ids("consumers/jack/credentials")) == {first, second}
    for id_, name, key in ((first, "first", "new-key"), (second, "second", "newer-key")):
        await group.put(f"consumers/jack/credentials/{id_}", {"name": name, "plugins": {"key-auth": {"key": key}}})
    newest, older = (await group.get("consumers/jack/credentials"))["list"]
    assert (newest["id"], newest["plugins"]) == (second, {"key-auth": {"key": "newer-key"}})
    assert (older["id"], older["plugins"]) == (first, {"key-auth": {"key": "new-key"}})
    assert await group.ids("consumers/jack/credentials", plugin_name="basic-auth") == []


async def test_certificates_come_back_as_sent_without_their_keys_and_the_newest_first(group: Caller) -> None:
    for id_, sni in (("a", "one.example.com"), ("b", "two.example.com")):
        await group.put(f"ssls/{id_}", {"snis": [sni], "cert": CERT, "key": KEY})
    sent = {"snis": ["one.example.com"], "cert": OTHER_CERT, "key": OTHER_KEY}
    several = {**sent, "certs": [CERT], "keys": [KEY]}
    await group.expect_value("PUT", "ssls/a", {"cert": OTHER_CERT, "certs": [CERT], "keys": ABSENT}, several)
    answer = await group.put("ssls/a", sent)
    one, (newest, older) = (await group.get("ssls/a"))["value"], (await group.get("ssls"))["list"]
    assert (newest["id"], older["id"]) == ("a", "b")
    for shown in (answer["value"], one, newest):
        assert (shown["cert"], shown["snis"]) == (OTHER_CERT, ["one.example.com"])
    assert not {"key", "keys"} & {*answer["value"], *one, *newest, *older}
    assert KEY.splitlines()[1] not in (await group.send("GET", "ssls")).text


async def test_a_server_name_belongs_to_one_certificate(group: Caller) -> None:
    await group.put("ssls/a", {"snis": ["One.example.com"], "cert": CERT, "key": KEY})
    message = await group.refused(409, "PUT", "ssls/b", {"snis": ["one.example.com"], "cert": CERT, "key": KEY})
    assert "one.example.com" in message


async def test_a_consumer_takes_its_credentials_with_it(group: Caller) -> None:
    await Adc(group).sync({"consumers": MIXED["consumers"]})
    await group.delete("consumers/jack")
    await group.refused(404, "GET", "consumers/jack/credentials")
    await group.put("consumers/jack", {"username": "jack"})
    assert await group.ids("consumers/jack/credentials") == []


async def test_a_service_takes_its_routes_and_upstreams_with_it(group: Caller) -> None:
    await Adc(group).sync({"services": MIXED["services"]})
    await group.delete(f"services/{SHOP}")
    await group.refused(404, "GET", f"services/{SHOP}")
    await group.refused(404, "GET", f"routes/{sha1('shop.read')}")
    await group.put(f"services/{SHOP}", {"name": "shop"})
    assert await group.ids(f"services/{SHOP}/upstreams") == []
    assert await group.ids("routes", service_id=SHOP) == []


async def test_the_default_upstream_stands_among_the_others_under_the_services_id(group: Caller) -> None:
    await group.put("services/s1", {"name": "one", "upstream": {"nodes": NODES}})
    await group.put("services/s1/upstreams/u1", {"name": "canary", "nodes": NODES})
    found = {item["id"]: item for item in (await group.get("services/s1/upstreams"))["list"]}
    assert (found.keys(), found["s1"]["name"], found["u1"]["name"]) == ({"s1", "u1"}, "default", "canary")
    for path in ("services/s1/upstreams/u1", "services/s1/upstreams/s1"):
        assert (await group.get(path))["value"]["nodes"] == [{**NODES[0], "priority": 0}]
    assert (await group.get("services/s1"))["value"]["upstream"]["nodes"] == [{**NODES[0], "priority": 0}]
    await group.put("services/s1/upstreams/u1", {"name": "canary", "nodes": NODES, "retry_timeout": 9})
    assert (await group.get("services/s1/upstreams/u1"))["value"]["retry_timeout"] == 9
    await group.delete("services/s1/upstreams/u1")
    assert await group.ids("services/s1/upstreams") == ["s1"]


async def test_metadata_is_one_map(group: Caller) -> None:
    assert await group.get("plugin_metadata") == {"value": {}}
    sent = {"limit_header": "X-Quota", "unknown": {"kept": [1]}}
    await group.put("plugin_metadata/limit-count", sent)
    assert await group.get("plugin_metadata") == {"value": {"limit-count": sent}}
    assert await group.get("plugin_metadata", **{"labels[team]": "1"}) == {"value": {"limit-count": sent}}
    assert await group.get("plugin_metadata/limit-count") == {"value": sent}
    await group.delete("plugin_metadata/limit-count")
    assert await group.get("plugin_metadata") == {"value": {}}


async def test_a_global_rule_is_named_after_its_plugin(group: Caller) -> None:
    await group.put("global_rules/prometheus", {"plugins": {"prometheus": {"test": 1}}})
    found = (await group.get("global_rules", **{"labels[team]": "1"}))["list"]
    assert [(item["id"], item["plugins"]) for item in found] == [("prometheus", {"prometheus": {"test": 1}})]
    await group.refused(400, "PUT", "global_rules/prometheus", {"plugins": {"request-id": {}}})


async def test_plugins_can_be_taken_away_again(group: Caller) -> None:
    await group.put("services/s1", {"name": "one", "plugins": {"request-id": {}}})
    assert (await group.put("services/s1", {"name": "one", "plugins": {}}))["value"]["plugins"] == {}
    await group.expect_value("GET", "services/s1", {"plugins": {}, "upstream": ABSENT})


def at(*path: Any) -> Any:
    """A function that sets what the path leads to (the last part is the value), or removes it (value None)."""
    *way, last, new = path

    def change(local: Any) -> None:
        for part in way:
            local = local[part]
        if new is None:
            del local[last]
        else:
            local[last] = new

    return change


SHOP = sha1("shop")
READ, WRITE, CANARY, BLUE = (sha1(f"shop.{name}") for name in ("read", "write", "canary", "blue"))
POSTGRES, WRITER, READER = sha1("postgres"), sha1("postgres.writer"), sha1("postgres.reader")
FIRST, SECOND = sha1("jack.first"), sha1("jack.second")
SNIS = sha1("one.example.com,two.example.com")
CHANGES: list[tuple[str, Any]] = [
    (f"update service [{SHOP}]", at("services", 0, "desc", "other")),
    (f"update service [{SHOP}]", at("services", 0, "desc", None)),
    (f"update service [{SHOP}]", at("services", 0, "strip_path_prefix", None)),
    (f"update service [{SHOP}]", at("services", 0, "upstream", "timeout", None)),
    (f"update service [{SHOP}]", at("services", 0, "upstream", "keepalive_pool", {})),
    (f"update service [{SHOP}]", at("services", 0, "plugins", None)),
    (f"update route [{READ}]", at("services", 0, "routes", 0, "priority", None)),
    (f"update route [{READ}]", at("services", 0, "routes", 0, "timeout", "send", None)),
    (f"delete route [{WRITE}]", at("services", 0, "routes", 1, None)),
    (f"update route [{WRITE}]", at("services", 0, "routes", 1, "enable_websocket", None)),
    (f"update upstream [{CANARY}]", at("services", 0, "upstreams", 0, "retry_timeout", 7)),
    (f"delete upstream [{BLUE}]", at("services", 0, "upstreams", 1, None)),
    ("delete service [custom-service]", at("services", 1, None)),
    (f"update service [{POSTGRES}]", at("services", 3, "upstream", "timeout", "connect", 4)),
    (f"update stream_route [{WRITER}]", at("services", 3, "stream_routes", 0, "plugins", None)),
    (f"delete stream_route [{READER}]", at("services", 3, "stream_routes", 1, None)),
    ("update consumer [jack]", at("consumers", 0, "labels", None)),
    ("delete consumer [jane]", at("consumers", 1, None)),
    (f"update consumer_credential [{FIRST}]", at("consumers", 0, "credentials", 0, "config", {"key": "other"})),
    (f"delete consumer_credential [{SECOND}]", at("consumers", 0, "credentials", 1, None)),
    (f"update ssl [{SNIS}]", at("ssls", 0, "certificates", 0, {"certificate": OTHER_CERT, "key": OTHER_KEY})),
    ("update global_rule [prometheus]", at("global_rules", "prometheus", {"prefer_name": False})),
    ("delete global_rule [request-id]", at("global_rules", "request-id", None)),
    ("update plugin_metadata [limit-count]", at("plugin_metadata", "limit-count", {"limit_header": "X-Other"})),
    ("delete plugin_metadata [cors]", at("plugin_metadata", "cors", None)),
]
