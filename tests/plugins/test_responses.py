"""cors, response-rewrite, redirect and fault-injection: what the client gets."""

import time
from typing import TYPE_CHECKING

import httpx
from chains import Site

if TYPE_CHECKING:
    from tests.plugins.conftest import Gateway

SPLIT = "%0d%0aX-Evil:%201"
A, B = "https://a.example", "https://b.example:8443"
SITES = {
    "cors": Site({"cors": {}}),
    "cors-guarded": Site({"cors": {}, "key-auth": {}}),
    "cors-rule": Site(rules={"cors": {}}, missing=True),
    "cors-list": Site({"cors": {"allow_origins": f"{A},{B}", "expose_headers": "X-E", "max_age": 7}, "key-auth": {}}),
    "cors-one": Site({"cors": {"allow_origins": A}}),
    "cors-any": Site(
        {"cors": {"allow_origins": "**", "allow_methods": "**", "allow_headers": "**", "allow_credential": True}}
    ),
    "cors-pattern": Site(
        {"cors": {"allow_origins_by_regex": [r"\.test\.com$", "^https://x"], "timing_allow_origins_by_regex": ["t"]}}
    ),
    "cors-named": Site(
        {"cors": {"allow_origins": A, "allow_origins_by_metadata": ["P"], "timing_allow_origins": f"{A},{B}"}},
        metadata={"cors": {"allow_origins": {"P": B}}},
    ),
    "body": Site({"response-rewrite": {"body": "new", "status_code": 201, "headers": {"Content-Type": "text/x"}}}),
    "body-binary": Site({"response-rewrite": {"body": "AAH/", "body_base64": True}}),
    "body-empty": Site({"response-rewrite": {"body": ""}}),
    "body-replaced": Site(
        {
            "response-rewrite": {
                "filters": [
                    {"regex": "a\\.b", "replace": "<>", "scope": "global"},
                    {"regex": "once", "replace": "1"},
                ]
            }
        }
    ),
    "headers": Site(
        {
            "response-rewrite": {
                "headers": {
                    "add": ["X-List: 2", "X-New: of $upstream_addr"],
                    "set": {
                        "X-Set": "now",
                        "X-Status": "$status",
                        "X-Arg": "$arg_q",
                        "X-Old": "",
                        "X-Copy": "$sent_http_x_list",
                    },
                    "remove": ["X-Removed"],
                }
            }
        }
    ),
    "headers-flat": Site({"response-rewrite": {"headers": {"X-Set": 3}}}),
    "refused-body": Site(
        {"response-rewrite": {"body": "hidden", "headers": {"X-Left": ""}}, "key-auth": {}, "cors": {}}
    ),
    "last-word": Site(
        {
            "response-rewrite": {"headers": {"remove": ["X-RateLimit-Limit"], "set": {"Access-Control-Max-Age": "1"}}},
            "limit-count": {"count": 100, "time_window": 60},
            "cors": {},
        }
    ),
    "missing-body": Site(rules={"response-rewrite": {"body": "not here", "status_code": 410}}, missing=True),
    "to": Site({"redirect": {"uri": "$uri/index.html?was=$args", "ret_code": 301}}),
    "to-encoded": Site({"redirect": {"uri": "https://$host/${uri}", "encode_uri": True, "append_query_string": True}}),
    "to-appended": Site({"redirect": {"uri": "/x?y=1", "append_query_string": True}}),
    "to-pattern": Site(
        {"redirect": {"regex_uri": [r"^/test/(\w+)", "http://test.com/$1"], "append_query_string": True}}
    ),
    "to-https": Site(rules={"redirect": {"http_to_https": True}}, missing=True),
    "to-https-443": Site({"redirect": {"http_to_https": True}}, metadata={"redirect": {"https_port": 443}}),
    "to-https-off": Site({"redirect": {"http_to_https": False}}),
    "fault": Site(
        {
            "fault-injection": {
                "abort": {"http_status": 403, "body": "no, $remote_addr\n", "headers": {"X-Why": "$arg_q"}}
            }
        }
    ),
    "fault-plain": Site({"fault-injection": {"abort": {"http_status": 500}}}),
    "fault-never": Site({"fault-injection": {"abort": {"http_status": 403, "percentage": 0}}}),
    "fault-half": Site({"fault-injection": {"abort": {"http_status": 403, "percentage": 50}}}),
    "fault-slow": Site({"fault-injection": {"delay": {"duration": 0.3}, "abort": {"http_status": 504}}}),
    "fault-first": Site({"fault-injection": {"abort": {"http_status": 418}}, "key-auth": {}, "cors": {}}),
}


def allowed(answer: httpx.Response) -> dict[str, str]:
    prefix = "access-control-allow-"
    return {k.removeprefix(prefix): v for k, v in answer.headers.items() if k.startswith(prefix)}


def test_cors_allows_everything_that_needs_no_credentials(gateway: "Gateway") -> None:
    for answer in (gateway.ask("cors"), gateway.ask("cors", origin=A)):
        assert allowed(answer) == {"origin": "*", "methods": "*", "headers": "*"}
        assert answer.headers["access-control-max-age"] == "5"
        assert not {"vary", "access-control-expose-headers"} & set(answer.headers)


def test_cors_answers_every_options_request(gateway: "Gateway") -> None:
    for site in ("cors", "cors-guarded", "cors-rule", "cors-list"):
        answer = gateway.ask(site, method="OPTIONS", origin=A)
        assert (answer.status_code, answer.text) == (200, "")
        assert allowed(answer)["origin"] == (A if site == "cors-list" else "*")


def test_cors_works_on_refusals_and_missing_routes(gateway: "Gateway") -> None:
    assert (gateway.ask("cors-guarded").status_code, allowed(gateway.ask("cors-guarded"))["origin"]) == (401, "*")
    assert (gateway.ask("cors-rule").status_code, allowed(gateway.ask("cors-rule"))["origin"]) == (404, "*")


def test_cors_knows_a_list_of_origins(gateway: "Gateway") -> None:
    for origin in (A, B):
        answer = gateway.ask("cors-list", origin=origin, apikey="jacks-key", x_want_header="Vary=Accept")
        assert allowed(answer) == {"origin": origin, "methods": "*", "headers": "*"}
        assert answer.headers["vary"].replace(" ", "") == "Accept,Origin"
        assert (answer.headers["access-control-expose-headers"], answer.headers["access-control-max-age"]) == (
            "X-E",
            "7",
        )
    for site in ("cors-list", "cors-one"):
        for headers in ({}, {"origin": "https://evil.example"}):
            answer = gateway.ask(site, **headers)
            assert not allowed(answer)
            assert answer.headers["vary"] == "Origin"
    assert allowed(gateway.ask("cors-one", origin=A))["origin"] == A


def test_cors_allows_all_with_credentials_where_forced_to(gateway: "Gateway") -> None:
    answer = gateway.ask("cors-any", origin=A, access_control_request_headers="x-one,x-two")
    assert allowed(answer) == {
        "origin": A,
        "credentials": "true",
        "headers": "x-one,x-two",
        "methods": "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE",
    }
    assert allowed(gateway.ask("cors-any"))["origin"] == "*"


def test_cors_knows_patterns(gateway: "Gateway") -> None:
    for origin in ("http://a.test.com", "https://xy.z"):
        assert allowed(gateway.ask("cors-pattern", origin=origin))["origin"] == origin
    for headers in ({}, {"origin": "http://a.test.com.evil"}):
        assert not allowed(gateway.ask("cors-pattern", **headers))
    assert gateway.ask("cors-pattern", origin="http://a.test.com").headers["timing-allow-origin"] == "http://a.test.com"
    assert "timing-allow-origin" not in gateway.ask("cors-pattern", origin="h://x").headers


def test_cors_finds_origins_by_name(gateway: "Gateway") -> None:
    for origin in (A, B):
        answer = gateway.ask("cors-named", origin=origin)
        assert (allowed(answer)["origin"], answer.headers["timing-allow-origin"]) == (origin, origin)
    assert not allowed(gateway.ask("cors-named", origin="https://c.example"))


def test_a_new_body(gateway: "Gateway") -> None:
    answer = gateway.ask("body", x_want_header="ETag=x")
    assert (answer.status_code, answer.text, answer.headers["content-length"]) == (201, "new", "3")
    assert answer.headers["content-type"] == "text/x"
    assert "etag" not in answer.headers
    assert gateway.ask("body-binary").content == b"\0\1\xff"
    assert gateway.ask("body-empty").content == b""
    assert gateway.ask("body", x_want_body="").text == "new"
    assert gateway.ask("body", x_want_chunks="").text == "new"
    assert gateway.ask("body", x_want_chunks="one two").text == "new"


def test_a_new_body_where_there_can_be_none(gateway: "Gateway") -> None:
    assert gateway.ask("body", method="HEAD").content == b""
    kept = gateway.ask("body-binary", x_want_status="304", x_want_body="")
    assert (kept.status_code, kept.content) == (304, b"")
    assert gateway.ask("body").text == "new"


def test_a_large_body_is_replaced_too(gateway: "Gateway") -> None:
    answer = gateway.client.post(
        f"http://127.0.0.1:{gateway.port}/", headers={"host": "body.test"}, content=b"x" * 3_000_000
    )
    assert (answer.status_code, answer.text) == (201, "new")


def test_text_in_bodies_is_replaced(gateway: "Gateway") -> None:
    answer = gateway.ask("body-replaced", x_want_body="a.b axb a.b once once")
    assert answer.text == "<> axb <> 1 once"
    packed = gateway.ask("body-replaced", x_want_body="a.b", x_want_header="Content-Encoding=x-none")
    assert (packed.content, packed.headers["content-encoding"]) == (b"a.b", "x-none")


def test_response_headers(gateway: "Gateway") -> None:
    lines = ["X-List=1", "X-Set=old", "X-Old=1", "X-Removed=1", "X-Arg=old"]
    url = f"http://127.0.0.1:{gateway.port}/?q=1%0d%0a"
    answer = gateway.client.get(url, headers=[("host", "headers.test"), *(("x-want-header", line) for line in lines)])
    assert answer.headers.get_list("x-list") == ["1", "2"]
    assert answer.headers["x-new"].startswith("of 127.0.0.1:")
    assert (answer.headers["x-set"], answer.headers["x-status"], answer.headers["x-arg"]) == ("now", "200", "1%0d%0a")
    assert not {"x-old", "x-removed"} & set(answer.headers)
    assert gateway.ask("headers-flat").headers["x-set"] == "3"
    assert "x-arg" not in gateway.ask("headers", x_want_header="X-Arg=old").headers


def test_responses_of_the_gateway_are_rewritten_as_well(gateway: "Gateway") -> None:
    refused = gateway.ask("refused-body")
    assert (refused.status_code, refused.text, allowed(refused)["origin"]) == (401, "hidden", "*")
    gone = gateway.ask("missing-body")
    assert (gone.status_code, gone.text) == (410, "not here")


def test_response_rewrite_has_the_last_word(gateway: "Gateway") -> None:
    headers = gateway.ask("last-word").headers
    assert "x-ratelimit-limit" not in headers
    assert (headers["x-ratelimit-remaining"], headers["access-control-max-age"]) == ("99", "1")


def location(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["location"]


def test_redirects_to_composed_addresses(gateway: "Gateway") -> None:
    assert location(gateway.ask("to", "/a?b=c")) == (301, "/a/index.html?was=b=c")
    assert location(gateway.ask("to-encoded", "/a%20b?c=d")) == (302, "https://to-encoded.test//a%20b?c=d")
    assert location(gateway.ask("to-appended", "/a?b=c")) == (302, "/x?y=1&b=c")
    assert location(gateway.ask("to-appended", "/a")) == (302, "/x?y=1")


def test_redirects_by_pattern(gateway: "Gateway") -> None:
    assert location(gateway.ask("to-pattern", "/test/x/y?b=c")) == (302, "http://test.com/x/y?b=c")
    assert gateway.ask("to-pattern", "/other/test/x").status_code == 200


def test_redirects_to_https(gateway: "Gateway") -> None:
    to = f"https://to-https.test:{gateway.port + 363}/a?b=c"
    assert location(gateway.ask("to-https", "/a?b=c")) == (301, to)
    assert location(gateway.ask("to-https", "/a?b=c", method="POST")) == (308, to)
    assert location(gateway.ask("to-https-443", "/a")) == (301, "https://to-https-443.test/a")
    assert gateway.ask("to-https-off").status_code == 200


def test_no_redirect_can_be_split(gateway: "Gateway") -> None:
    for site in ("to", "to-encoded", "to-appended", "to-https-443", "to-pattern", "fault"):
        for path in (f"/test/a{SPLIT}", f"/test/b?a=b{SPLIT}&q=c{SPLIT}"):
            assert "x-evil" not in gateway.ask(site, path).headers


def test_faults(gateway: "Gateway") -> None:
    answer = gateway.ask("fault", "/?q=1")
    assert (answer.status_code, answer.text, answer.headers["x-why"]) == (403, "no, 127.0.0.1\n", "1")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (gateway.ask("fault-plain").status_code, gateway.ask("fault-plain").text) == (500, "")
    assert gateway.ask("fault-never").status_code == 200
    half = [gateway.ask("fault-half").status_code for _ in range(60)]
    assert {200, 403} == set(half)


def test_faults_come_late_and_before_all_else(gateway: "Gateway") -> None:
    began = time.monotonic()
    assert gateway.ask("fault-slow").status_code == 504
    assert time.monotonic() - began >= 0.28
    assert (gateway.ask("fault-first").status_code, allowed(gateway.ask("fault-first"))["origin"]) == (418, "*")
