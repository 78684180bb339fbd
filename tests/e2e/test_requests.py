"""Trying a request on a running fleet: it says which route was taken, who answered, and what became of each plugin."""

import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import certificate
from tests.e2e import kit
from tests.e2e.kit import Fleet, eventually

PATH = "/api/gateway_groups/default/request_tests"
HOST = "tried.test"


@dataclass(frozen=True)
class Tried:
    """What was told of a request."""

    told: dict[str, Any]

    @property
    def status(self) -> int:
        return self.told["response"]["status"]

    @property
    def by(self) -> tuple[str, str]:
        return self.told["answered_by"]["kind"], self.told["answered_by"]["plugin"]

    @property
    def route(self) -> str:
        return self.told.get("route", {}).get("route_id", "")

    @property
    def plugins(self) -> list[tuple[str, str]]:
        return [(one["name"], one["outcome"]) for one in self.told["plugins"]]


def attempt(fleet: Fleet, path: str, **more: Any) -> Tried:
    answer = fleet.call("POST", PATH, {"path": path, "host": HOST, **more}, group=None)
    assert answer.status_code == 200, answer.text
    return Tried(answer.json()["value"])


@pytest.fixture(scope="module")
def site(fleet: Fleet, upstream: int) -> Fleet:
    fleet.service("tried", upstream, hosts=[HOST], plugins={"limit-count": {"count": 1000, "time_window": 60}})
    keys: dict[str, Any] = {"key-auth": {}, "cors": {}, "proxy-rewrite": {"headers": {"set": {"x-tried": "1"}}}}
    keys["proxy-rewrite"]["_meta"] = {"filter": [["arg_a", "==", "1"]]}
    fleet.route("tried-keys", "tried", "/keys", plugins=keys)
    fleet.route("tried-mock", "tried", "/mock", plugins={"mocking": {"response_example": "mocked"}, "key-auth": {}})
    fleet.route("tried-small", "tried", "/small", plugins={"client-control": {"max_body_size": 10}})
    fleet.route("tried-moved", "tried", "/moved", plugins={"redirect": {"uri": "/elsewhere"}})
    fleet.route("tried-kept", "tried", "/kept", plugins={"proxy-cache": KEPT})
    fleet.route("tried-flow", "tried", "/flow", plugins={"workflow": FLOW})
    fleet.service("nowhere", 1, hosts=[HOST])
    fleet.route("tried-nowhere", "nowhere", "/nowhere")
    fleet.put("consumers/tried", {"username": "tried", "plugins": {"limit-count": {"count": 5, "time_window": 60}}})
    fleet.put("consumers/tried/credentials/t", {"name": "t", "plugins": {"key-auth": {"key": "tried-key"}}})
    pair = certificate(HOST)
    fleet.put("ssls/tried", {"snis": [HOST], "cert": pair.certificate, "key": pair.key})
    eventually(lambda: attempt(fleet, "/nowhere").route == "tried-nowhere", 60)
    return fleet


KEPT = {"cache_strategy": "memory", "cache_zone": "memory_cache", "cache_ttl": 300}
FLOW = {"rules": [{"actions": [["limit-count", {"count": 1, "time_window": 3600, "rejected_code": 429}]]}]}


def test_without_a_key_the_plugin_answers_and_those_behind_it_are_not_reached(site: Fleet) -> None:
    tried = attempt(site, "/keys")
    assert (tried.status, tried.by, tried.route) == (401, ("plugin", "key-auth"), "tried-keys")
    assert tried.told["route"] == {
        "service_id": "tried", "service_name": "tried", "route_id": "tried-keys", "route_name": "tried-keys",
    }  # fmt: skip
    assert tried.plugins == [
        ("cors", "ran"), ("key-auth", "answered"), ("proxy-rewrite", "not_reached"), ("limit-count", "not_reached"),
    ]  # fmt: skip
    assert tried.told["upstream"] == tried.told["consumer"] == ""
    assert tried.told["revision"] > 0


def test_with_its_key_the_consumer_the_upstream_and_the_consumers_own_plugin_are_named(
    site: Fleet, upstream: int
) -> None:
    tried = attempt(site, "/keys?a=1", method="POST", headers={"apikey": "tried-key", "x-two": ["a", "b"]}, body="hé")
    assert (tried.status, tried.by) == (200, ("upstream", ""))
    assert (tried.told["consumer"], tried.told["upstream"]) == ("tried", f"127.0.0.1:{upstream}")
    assert tried.plugins[1:] == [("key-auth", "ran"), ("proxy-rewrite", "conditional"), ("limit-count", "ran")]
    assert tried.told["plugins"][-1] == {
        "name": "limit-count", "from": "consumer", "from_id": "tried", "outcome": "ran",
    }  # fmt: skip
    assert tried.told["response"]["body_encoding"] == "text"
    assert 0 < tried.told["seconds"] < 5


def test_whoever_else_answers_is_named_too(site: Fleet) -> None:
    mocked = attempt(site, "/mock", headers={"apikey": "tried-key"})
    assert (mocked.status, mocked.by) == (200, ("plugin", "mocking"))
    assert ("mocking", "answered") in mocked.plugins
    moved = attempt(site, "/moved")
    assert (moved.status, moved.by) == (302, ("plugin", "redirect"))
    large = attempt(site, "/small", method="POST", body="more than ten bytes")
    assert (large.status, large.by) == (413, ("plugin", "client-control"))
    assert attempt(site, "/kept").by == ("upstream", "")
    kept = attempt(site, "/kept")
    assert kept.by == ("plugin", "proxy-cache"), kept.told
    assert [attempt(site, "/flow").status for _ in range(2)] == [200, 429]
    limited = attempt(site, "/flow")
    assert limited.by == ("plugin", "limit-count")
    assert set(limited.plugins) == {("workflow", "conditional"), ("limit-count", "conditional")}


def test_what_no_route_takes_and_what_no_upstream_takes_is_answered_by_the_gateway(site: Fleet) -> None:
    nothing = attempt(site, "/nothing-of-this-name")
    assert (nothing.status, nothing.by, nothing.route) == (404, ("gateway", ""), "")
    assert "route" not in nothing.told
    refused = attempt(site, "/nowhere")
    assert (refused.status, refused.by, refused.route) == (502, ("gateway", ""), "tried-nowhere")


def test_https_is_tried_with_the_hosts_certificate(site: Fleet) -> None:
    tried = attempt(site, "/mock", scheme="https", headers={"apikey": "tried-key"})
    assert (tried.status, tried.told["response"]["body"]) == (200, "mocked")
    unknown = attempt(site, "/mock", scheme="https", host="unknown.test")
    assert (unknown.told["state"], "response" in unknown.told) == ("failed", False)
    assert unknown.told["reason"]


def test_what_it_keeps_on_record_holds_no_secret(site: Fleet) -> None:
    attempt(site, "/keys?token=tried-secret", headers={"apikey": "tried-key"}, body="tried-body")
    rows = site.call("GET", "/api/audit_logs?event_type=CreateRequestTest", group=None).json()["list"]
    assert rows[0]["http_request"]["body"] | {"instance_id": ""} == {
        "instance_id": "", "method": "GET", "path": "/keys", "query": ["token"], "host": HOST, "scheme": "http",
        "headers": ["apikey"], "body_bytes": 10,
    }  # fmt: skip
    assert "tried-secret" not in str(rows)


def test_the_command_line_shows_it(site: Fleet) -> None:
    token = site.call("POST", "/api/tokens", {"name": "tried", "expires_at": 0}, group=None).json()["value"]["token"]
    command = [kit.GATEFLEET, "request", "get", f"http://{HOST}/keys", "-H", "x-a: b", "--token", token]
    done = subprocess.run(
        [*command, "--server", site.url("admin")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "from plugin key-auth" in done.stdout
    assert "not reached" in done.stdout


def test_where_no_instance_can_be_asked_it_is_refused(site: Fleet) -> None:
    group = site.call("POST", "/api/gateway_groups", {"name": "tried-empty"}, group=None).json()["value"]["id"]
    path = f"/api/gateway_groups/{group}/request_tests"
    empty = site.call("POST", path, {"path": "/"}, group=None)
    assert (empty.status_code, "no healthy instance" in empty.text) == (409, True)
    assert site.call("POST", path, {"path": "/", "instance_id": "x"}, group=None).status_code == 404
