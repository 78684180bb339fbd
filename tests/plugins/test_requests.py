"""proxy-rewrite and request-id: what the upstream sees."""

import re
from typing import TYPE_CHECKING
from uuid import UUID

from chains import Site

if TYPE_CHECKING:
    from tests.plugins.conftest import Gateway

SPLIT = "%0d%0aX-Evil:%201"
SITES = {
    "rewrite-uri": Site({"proxy-rewrite": {"uri": "/new/home", "host": "up.example:81"}}),
    "rewrite-uri-vars": Site({"proxy-rewrite": {"uri": "/v$uri"}}),
    "rewrite-uri-query": Site({"proxy-rewrite": {"uri": "/s?q=$arg_q&h=$http_x_h"}}),
    "rewrite-pattern": Site({"proxy-rewrite": {"regex_uri": ["^/a/(.*)/(.*)", "/x/$2-$1"]}}),
    "rewrite-inner-pattern": Site({"proxy-rewrite": {"regex_uri": ["o+", "0"]}}),
    "rewrite-strip": Site({"proxy-rewrite": {"regex_uri": ["^/api(.*)", "$1"]}}),
    "rewrite-patterns": Site(
        {
            "proxy-rewrite": {
                "regex_uri": ["^/a/(\\w+)", "/x/$1", "^/(b)/", "/y/$1/"],
                "headers": {"X-Group": "<$1>", "X-Original": "$request_uri"},
            }
        }
    ),
    "rewrite-headers": Site(
        {
            "proxy-rewrite": {
                "headers": {
                    "add": {"X-Add": "new", "X-Many": ["a", "b"]},
                    "set": {
                        "X-Set": "of $remote_addr",
                        "X-Arg": "$arg_q",
                        "X-Cookie": "$cookie_c",
                        "X-Percent": "100%",
                        "X-Where": "$host|$request_uri|$scheme|$request_method|$route_id|$service_name",
                        "X-Gone": "",
                        "X-Uri": "$uri",
                    },
                    "remove": ["X-Removed"],
                }
            }
        }
    ),
    "rewrite-flat": Site({"proxy-rewrite": {"headers": {"X-Set": "flat", "X-Number": 3}}}),
    "rewrite-method": Site({"proxy-rewrite": {"method": "POST"}}),
    "rewrite-rule": Site(
        rules={"proxy-rewrite": {"regex_uri": ["^/(.*)", "/all/$1"], "host": "h.test", "headers": {"X-Rule": "$arg_q"}}}
    ),
    "id": Site({"request-id": {}}),
    "id-silent": Site({"request-id": {"include_in_response": False, "header_name": "X-Req-Identifier"}}),
    "id-nanoid": Site({"request-id": {"algorithm": "nanoid"}}),
    "id-range": Site({"request-id": {"algorithm": "range_id", "range_id": {"length": 9, "char_set": "abcdef"}}}),
    "id-ksuid": Site({"request-id": {"algorithm": "ksuid"}}),
    "id-refused": Site({"request-id": {}, "key-auth": {}}),
    "id-twice": Site(
        {"request-id": {"header_name": "Route-Request-ID"}}, {"request-id": {"header_name": "Global-Request-ID"}}
    ),
}


def test_a_new_path_keeps_the_query(gateway: "Gateway") -> None:
    seen = gateway.upstream_sees("rewrite-uri", "/old?a=1")
    assert (seen["path"], seen["headers"]["host"]) == ("/new/home?a=1", ["up.example:81"])
    assert gateway.upstream_sees("rewrite-uri-vars", "/old/%C3%A9%20x?a=1")["path"] == "/v/old/%C3%A9%20x?a=1"


def test_a_path_with_a_query_of_its_own(gateway: "Gateway") -> None:
    assert gateway.upstream_sees("rewrite-uri-query", "/old?q=1&b=2", x_h="z")["path"] == "/s?q=1&h=z&q=1&b=2"
    assert gateway.upstream_sees("rewrite-uri-query", "/old", x_h="a b")["path"] == "/s?q=&h=a%20b"


def test_patterns(gateway: "Gateway") -> None:
    assert gateway.upstream_sees("rewrite-pattern", "/a/b/c?x=y")["path"] == "/x/c-b?x=y"
    assert gateway.upstream_sees("rewrite-pattern", "/z/b/c?x=y")["path"] == "/z/b/c?x=y"
    assert gateway.upstream_sees("rewrite-inner-pattern", "/foo/foo?x=foo")["path"] == "/f0/foo?x=foo"
    assert gateway.upstream_sees("rewrite-strip", "/api/v1?x=y")["path"] == "/v1?x=y"
    assert gateway.upstream_sees("rewrite-strip", "/api?x=y")["path"] == "/?x=y"


def test_the_first_pattern_that_matches_counts(gateway: "Gateway") -> None:
    first = gateway.upstream_sees("rewrite-patterns", "/a/one/two?x=y")
    assert (first["path"], first["headers"]["x-group"]) == ("/x/one/two?x=y", ["<one>"])
    assert first["headers"]["x-original"] == ["/a/one/two?x=y"]
    second = gateway.upstream_sees("rewrite-patterns", "/b/c")
    assert (second["path"], second["headers"]["x-group"]) == ("/y/b/c", ["<b>"])
    neither = gateway.upstream_sees("rewrite-patterns", "/c")
    assert (neither["path"], neither["headers"]["x-group"]) == ("/c", ["<>"])
    assert gateway.upstream_sees("rewrite-patterns", "/a/one%20%3Fx%25")["path"] == "/x/one%20%3Fx%25"


def test_headers_are_added_set_and_removed(gateway: "Gateway") -> None:
    sent = {"X-Add": "old", "X-Set": "old", "X-Gone": "old", "X-Removed": "old", "X-Arg": "old", "Cookie": "b=1; c=d=e"}
    headers = gateway.upstream_sees("rewrite-headers", "/p%20q?q=1%0d%0a", **sent)["headers"]
    assert headers["x-add"] in (["old", "new"], ["old,new"])
    assert headers["x-many"] in (["a", "b"], ["a,b"])
    assert headers["x-set"] == ["of 127.0.0.1"]
    assert headers["x-arg"] == ["1%0d%0a"]
    assert headers["x-cookie"] == ["d=e"]
    assert headers["x-percent"] == ["100%"]
    assert headers["x-where"] == ["rewrite-headers.test|/p%20q?q=1%0d%0a|http|GET|r1|Service"]
    assert headers["x-uri"] == ["/p%20q"]
    assert not {"x-gone", "x-removed"} & set(headers)
    assert "x-arg" not in gateway.upstream_sees("rewrite-headers", **sent)["headers"]


def test_headers_in_the_old_form_are_set(gateway: "Gateway") -> None:
    headers = gateway.upstream_sees("rewrite-flat", X_Set="old")["headers"]
    assert (headers["x-set"], headers["x-number"]) == (["flat"], ["3"])


def test_the_method(gateway: "Gateway") -> None:
    assert gateway.upstream_sees("rewrite-method", "/p?a=1")["method"] == "POST"


def test_in_a_global_rule(gateway: "Gateway") -> None:
    seen = gateway.upstream_sees("rewrite-rule", f"/p?q=1{SPLIT}")
    assert seen["path"] == f"/all/p?q=1{SPLIT}"
    assert seen["headers"]["x-rule"] == [f"1{SPLIT}"]
    assert seen["headers"]["host"] == ["h.test"]


def test_nothing_of_ours_reaches_the_upstream(gateway: "Gateway") -> None:
    for site in ("rewrite-uri", "rewrite-patterns", "rewrite-headers", "rewrite-rule", "id"):
        names = gateway.upstream_sees(site, "/a/b?q=1", x_gf_path="/evil")["headers"]
        assert not [name for name in names if name.startswith(("x-gf-", "x-envoy-"))], site


def test_no_header_can_be_split(gateway: "Gateway") -> None:
    for site in ("rewrite-patterns", "rewrite-headers", "rewrite-uri-query", "rewrite-uri-vars", "rewrite-rule"):
        for path in (f"/a/b{SPLIT}", f"/p?q=b{SPLIT}"):
            assert "x-evil" not in gateway.upstream_sees(site, path, cookie=f"c=b{SPLIT}")["headers"]


def test_a_request_has_one_id(gateway: "Gateway") -> None:
    answer = gateway.ask("id")
    given = answer.headers["x-request-id"]
    assert UUID(given).version == 4
    assert answer.json()["headers"]["x-request-id"] == [given]
    assert gateway.ask("id").headers["x-request-id"] != given


def test_a_clients_own_id_is_kept(gateway: "Gateway") -> None:
    for site in ("id", "id-nanoid"):
        answer = gateway.ask(site, x_request_id="mine")
        assert answer.headers["x-request-id"] == "mine"
        assert answer.json()["headers"]["x-request-id"] == ["mine"]


def test_an_id_can_stay_between_gateway_and_upstream(gateway: "Gateway") -> None:
    answer = gateway.ask("id-silent")
    assert "x-req-identifier" in answer.json()["headers"]
    assert "x-req-identifier" not in answer.headers


def test_ids_of_other_kinds(gateway: "Gateway") -> None:
    forms = {"id-nanoid": r"[\w-]{21}", "id-range": r"[a-f]{9}", "id-ksuid": r"[0-9A-Za-z]{27}"}
    for site, form in forms.items():
        ids = {gateway.ask(site).headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3
        assert all(re.fullmatch(form, one) for one in ids), ids


def test_refusals_carry_an_id_too(gateway: "Gateway") -> None:
    refused = gateway.ask("id-refused")
    assert refused.status_code == 401
    assert UUID(refused.headers["x-request-id"])


def test_global_and_route_ids_live_side_by_side(gateway: "Gateway") -> None:
    headers = gateway.ask("id-twice").headers
    assert headers["route-request-id"] != headers["global-request-id"]
