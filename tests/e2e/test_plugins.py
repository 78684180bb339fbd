"""Each plugin once through the whole product: written by the API, at work at the gateway."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.kit import Answer, Fleet, eventually

Ask = Callable[..., Answer]
Check = Callable[[Ask], None]


def _key_auth(ask: Ask) -> None:
    assert ask().status == 401
    assert ask().body == b'{"message":"Missing API key in request"}\n'
    assert ask(apikey="wrong").body == b'{"message":"Invalid API key in request"}\n'
    seen = ask(apikey="plugin-jacks-key").json()["headers"]
    assert (seen["x-consumer-username"], "apikey" in seen) == ("plugin-jack", False)


def _basic_auth(ask: Ask) -> None:
    assert ask().status == 401
    assert ask().headers["www-authenticate"] == "Basic realm='basic'"
    good = base64.b64encode(b"plugin-jack:jacks-password").decode()
    assert ask(authorization=f"Basic {good}").json()["headers"]["x-consumer-username"] == "plugin-jack"
    bad = base64.b64encode(b"plugin-jack:other").decode()
    assert ask(authorization=f"Basic {bad}").status == 401


def _limit_count(ask: Ask) -> None:
    left = [ask().headers["x-ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = ask()
    assert (refused.status, refused.body) == (429, b'{"error_msg":"too many"}\n')


def _proxy_rewrite(ask: Ask) -> None:
    seen = ask(query="?a=1").json()
    assert (seen["method"], seen["path"]) == ("POST", "/inner/x?a=1")
    assert seen["headers"]["host"] == "inner.test"
    assert seen["headers"]["x-from"] == "127.0.0.1"


def _response_rewrite(ask: Ask) -> None:
    answer = ask()
    assert (answer.status, answer.body, answer.headers["x-by"]) == (201, b"rewritten", "gatefleet")


def _redirect(ask: Ask) -> None:
    answer = ask()
    assert (answer.status, answer.headers["location"]) == (301, "https://elsewhere.test/x")


def _cors(ask: Ask) -> None:
    answer = ask(method="OPTIONS", origin="https://app.test", access_control_request_method="GET")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://app.test")
    assert "access-control-allow-origin" not in ask(origin="https://evil.test").headers


def _ip_restriction(ask: Ask) -> None:
    answer = ask()
    assert (answer.status, answer.body) == (403, b'{"message":"not from here"}\n')


def _request_id(ask: Ask) -> None:
    answer = ask()
    assert answer.json()["headers"]["x-request-id"] == answer.headers["x-request-id"]
    assert uuid.UUID(answer.headers["x-request-id"])
    assert ask(x_request_id="mine").headers["x-request-id"] == "mine"


def _fault_injection(ask: Ask) -> None:
    answer = ask()
    assert (answer.status, answer.body) == (418, b"teapot")


CASES: dict[str, tuple[dict[str, Any], Check]] = {
    "key-auth": ({"hide_credentials": True}, _key_auth),
    "basic-auth": ({}, _basic_auth),
    "limit-count": (
        {"count": 3, "time_window": 3600, "rejected_code": 429, "rejected_msg": "too many"},
        _limit_count,
    ),
    "proxy-rewrite": (
        {"uri": "/inner/x", "method": "POST", "host": "inner.test", "headers": {"set": {"X-From": "$remote_addr"}}},
        _proxy_rewrite,
    ),
    "response-rewrite": (
        {"status_code": 201, "body": "rewritten", "headers": {"set": {"X-By": "gatefleet"}}},
        _response_rewrite,
    ),
    "redirect": ({"uri": "https://elsewhere.test/x", "ret_code": 301}, _redirect),
    "cors": ({"allow_origins": "https://app.test"}, _cors),
    "ip-restriction": ({"whitelist": ["10.0.0.0/8"], "message": "not from here"}, _ip_restriction),
    "request-id": ({}, _request_id),
    "fault-injection": ({"abort": {"http_status": 418, "body": "teapot"}}, _fault_injection),
}


@pytest.fixture(scope="module", autouse=True)
def jack(fleet: Fleet) -> None:
    fleet.put("consumers/plugin-jack", {"username": "plugin-jack"})
    credentials = {
        "key-auth": {"key": "plugin-jacks-key"},
        "basic-auth": {"username": "plugin-jack", "password": "jacks-password"},
    }
    for plugin, conf in credentials.items():
        fleet.put(f"consumers/plugin-jack/credentials/{plugin}", {"name": plugin, "plugins": {plugin: conf}})


@pytest.mark.parametrize("plugin", CASES)
def test_a_plugin_written_by_the_api_is_at_work_at_the_gateway(fleet: Fleet, upstream: int, plugin: str) -> None:
    conf, check = CASES[plugin]
    name = f"{plugin}-{uuid.uuid4().hex[:6]}"
    fleet.service(name, upstream)
    fleet.route(name, name, f"/{name}", plugins={plugin: conf})
    fleet.route(f"{name}-after", name, f"/{name}-after")
    eventually(lambda: fleet.get(f"/{name}-after").status == 200)
    check(lambda query="", **more: fleet.get(f"/{name}{query}", **more))


def test_prometheus_counts_what_a_marked_route_answers_under_apisixs_names(fleet: Fleet, upstream: int) -> None:
    name = f"metrics-{uuid.uuid4().hex[:6]}"
    fleet.service(name, upstream)
    fleet.route(name, name, f"/{name}", plugins={"prometheus": {}})
    eventually(lambda: fleet.get(f"/{name}").status == 200)
    before = _count(fleet, name)
    for _ in range(5):
        fleet.get(f"/{name}")
    eventually(lambda: _count(fleet, name) == before + 5)


def _count(fleet: Fleet, route: str) -> int:
    page = fleet.client.get(fleet.url("metrics", "/apisix/prometheus/metrics")).text
    lines = [
        line for line in page.splitlines() if line.startswith("apisix_http_status{") and f'route="{route}"' in line
    ]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if 'code="200"' in line)


def test_a_consumers_own_plugins_win_over_the_routes(fleet: Fleet, upstream: int) -> None:
    name = f"own-{uuid.uuid4().hex[:6]}"
    limit = {"time_window": 3600, "rejected_code": 429, "key": "$consumer_name", "key_type": "var_combination"}
    for who, plugins in ((f"{name}-vip", {"limit-count": {**limit, "count": 5}}), (f"{name}-plain", {})):
        fleet.put(f"consumers/{who}", {"username": who, "plugins": plugins})
        fleet.put(f"consumers/{who}/credentials/k", {"name": "k", "plugins": {"key-auth": {"key": f"key-{who}"}}})
    fleet.service(name, upstream)
    fleet.route(name, name, f"/{name}", plugins={"key-auth": {}, "limit-count": {**limit, "count": 2}})
    eventually(lambda: fleet.get(f"/{name}").status == 401)
    eventually(lambda: fleet.get(f"/{name}", apikey=f"key-{name}-plain").status == 200)
    plain = [fleet.get(f"/{name}", apikey=f"key-{name}-plain").status for _ in range(3)]
    vip = [fleet.get(f"/{name}", apikey=f"key-{name}-vip").status for _ in range(6)]
    assert (plain[-1], vip) == (429, [200] * 5 + [429])


def test_a_global_rule_works_on_every_request_also_where_nothing_matches(fleet: Fleet) -> None:
    fleet.put("global_rules/request-id", {"plugins": {"request-id": {"header_name": "X-Everywhere"}}})
    try:
        answer = eventually(lambda: (a := fleet.get("/no-such-thing")).headers.get("x-everywhere") and a)
        assert answer.status == 404
    finally:
        fleet.delete("global_rules/request-id")
    eventually(lambda: "x-everywhere" not in fleet.get("/no-such-thing").headers)
