"""key-auth, basic-auth, ip-restriction and limit-count as clients see them."""

from base64 import b64encode
from typing import TYPE_CHECKING

from chains import Site

if TYPE_CHECKING:
    from tests.plugins.conftest import Gateway

HIDDEN = {"hide_credentials": True}
SITES = {
    "key": Site({"key-auth": {}}),
    "key-hidden": Site({"key-auth": HIDDEN}),
    "key-guest": Site({"key-auth": {"anonymous_consumer": "guest"}}),
    "key-own-words": Site({"key-auth": {"_meta": {"error_response": {"why": "no"}}}}),
    "basic": Site({"basic-auth": {}}),
    "basic-hidden": Site({"basic-auth": HIDDEN}),
    "ip-allowed": Site({"ip-restriction": {"whitelist": ["127.0.0.0/8"]}}),
    "ip-refused": Site({"ip-restriction": {"blacklist": ["127.0.0.1"], "message": "no/way", "response_code": 404}}),
    "limit": Site({"limit-count": {"count": 2, "time_window": 60, "rejected_msg": "slow down", "rejected_code": 429}}),
    "limit-defaults": Site({"limit-count": {"count": 1, "time_window": 60, "key_type": "constant", "key": "all"}}),
    "limit-by-header": Site(
        {"limit-count": {"count": 1, "time_window": 60, "key": "http_x_tenant", "show_limit_quota_header": False}}
    ),
    "limit-by-consumer": Site({"key-auth": {}, "limit-count": {"count": 1, "time_window": 60, "key": "consumer_name"}}),
    "limit-renamed": Site(
        {"limit-count": {"count": 9, "time_window": 60, "group": "g"}},
        metadata={"limit-count": {"limit_header": "X-Quota"}},
    ),
    "limit-same-group": Site({"limit-count": {"count": 9, "time_window": 60, "group": "g"}}),
    "guarded-by-a-rule": Site(rules={"key-auth": {}}),
    "guarded-and-missing": Site(rules={"ip-restriction": {"blacklist": ["0.0.0.0/0"]}}, missing=True),
}


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def test_key_auth_tells_who_calls(gateway: "Gateway") -> None:
    for seen in (gateway.upstream_sees("key", apikey="jacks-key"), gateway.upstream_sees("key", "/?apikey=jacks-key")):
        assert seen["headers"]["x-consumer-username"] == ["jack"]
        assert seen["headers"]["x-credential-identifier"] == ["cred-1"]
        assert seen["headers"]["x-consumer-custom-id"] == ["custom-1"]


def test_key_auth_refuses(gateway: "Gateway") -> None:
    missing, wrong = gateway.ask("key", x_consumer_username="jack"), gateway.ask("key", apikey="nope")
    assert (missing.status_code, missing.text) == (401, '{"message":"Missing API key in request"}\n')
    assert (wrong.status_code, wrong.text) == (401, '{"message":"Invalid API key in request"}\n')
    assert missing.headers["www-authenticate"] == 'apikey realm="key"'
    assert gateway.ask("key-own-words").text == '{"why":"no"}\n'
    assert gateway.ask("guarded-by-a-rule").status_code == 401


def test_key_auth_hides_the_key_where_it_says_so(gateway: "Gateway") -> None:
    assert "apikey" in gateway.upstream_sees("key", apikey="jacks-key")["headers"]
    assert "apikey" not in gateway.upstream_sees("key-hidden", apikey="jacks-key")["headers"]
    assert gateway.upstream_sees("key-hidden", "/p?a=1&apikey=jacks-key&b=2")["path"] == "/p?a=1&b=2"


def test_strangers_are_guests_where_that_is_allowed(gateway: "Gateway") -> None:
    for headers in ({}, {"apikey": "nope"}):
        assert gateway.upstream_sees("key-guest", **headers)["headers"]["x-consumer-username"] == ["guest"]


def test_basic_auth(gateway: "Gateway") -> None:
    good = basic("jill", "sesame")
    assert gateway.upstream_sees("basic", authorization=good)["headers"]["x-consumer-username"] == ["jill"]
    assert "authorization" not in gateway.upstream_sees("basic-hidden", authorization=good)["headers"]
    said = {
        "Missing authorization in request": gateway.ask("basic"),
        "Invalid authorization in request": gateway.ask("basic", authorization="Basic !"),
        "Invalid user authorization": gateway.ask("basic", authorization=basic("jill", "wrong")),
    }
    assert {message: (a.status_code, a.json()) for message, a in said.items()} == {
        message: (401, {"message": message}) for message in said
    }


def test_ip_restriction(gateway: "Gateway") -> None:
    assert gateway.ask("ip-allowed").status_code == 200
    refused = gateway.ask("ip-refused")
    assert (refused.status_code, refused.json()) == (404, {"message": "no/way"})
    assert gateway.ask("guarded-and-missing").status_code == 403


def test_limit_count_lets_exactly_so_many_pass(gateway: "Gateway") -> None:
    answers = [gateway.ask("limit") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 429, 429]
    assert [a.headers["x-ratelimit-remaining"] for a in answers] == ["1", "0", "0", "0"]
    assert {a.headers["x-ratelimit-limit"] for a in answers} == {"2"}
    assert 0 < int(answers[3].headers["x-ratelimit-reset"]) <= 60
    assert answers[2].text == '{"error_msg":"slow down"}\n'


def test_limit_count_answers_503_without_a_body(gateway: "Gateway") -> None:
    first, second = gateway.ask("limit-defaults"), gateway.ask("limit-defaults")
    assert (first.status_code, second.status_code, second.text) == (200, 503, "")


def test_limit_count_counts_by_its_key(gateway: "Gateway") -> None:
    answers = [gateway.ask("limit-by-header", x_tenant=tenant) for tenant in ("a", "b", "a")]
    assert [a.status_code for a in answers] == [200, 200, 503]
    assert not any("x-ratelimit-limit" in a.headers for a in answers)
    both = [gateway.ask("limit-by-consumer", apikey="jacks-key").status_code for _ in range(2)]
    assert both == [200, 503]


def test_limit_count_shares_a_group_and_renames_headers(gateway: "Gateway") -> None:
    assert gateway.ask("limit-renamed").headers["x-quota"] == "9"
    assert gateway.ask("limit-same-group").headers["x-ratelimit-remaining"] == "7"
