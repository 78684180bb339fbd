"""What all our scripts share: they never fail open, and they read variables as nginx names them."""

from typing import TYPE_CHECKING

from chains import Site

from gatefleet.filters import lua
from gatefleet.plugin import Scope
from gatefleet.templates import lua_parts, parse

if TYPE_CHECKING:
    from tests.plugins.conftest import Gateway

TEMPLATE = (
    "$uri|$request_uri|$args|$query_string|$is_args|$arg_q|$arg_none|${arg_none ?? else}|$cookie_c|$http_x_h|$host|"
    "$http_host|$scheme|$request_method|$remote_addr|$server_addr|$server_protocol|$route_id|$service_name|\\$|$"
)
SHOW = "function on.request(handle, conf) handle:headers():replace('x-shown', printable(fill(handle, conf.parts))) end"
PARTS = lua_parts(parse(TEMPLATE, "f", Scope("", route_id="r1", service_name="Service")))
SITES = {
    "script-shows": Site(more=lua("show", SHOW, {"parts": PARTS})),
    "script-broken-request": Site(more=lua("broken", "function on.request(handle, conf) return conf.a.b end", {})),
    "script-broken-response": Site(more=lua("broken", "function on.response(handle, conf) error('no') end", {})),
    "script-broken-late": Site(
        more=lua("broken", "function on.response(handle, conf) handle:headers():get(nil, 1, 2) end", {})
    ),
}


def test_variables(gateway: "Gateway") -> None:
    sent = {"cookie": "a=1; c=x=y; d=", "x-h": "h"}
    seen = gateway.upstream_sees("script-shows", "/a%20b/../c%41?q=1%20&z", **sent)["headers"]["x-shown"][0]
    assert seen.split("|") == [
        "/cA", "/cA?q=1%20&z", "q=1%20&z", "q=1%20&z", "?", "1%20", "", "else", "x=y", "h", "script-shows.test",
        "script-shows.test", "http", "GET", "127.0.0.1", "127.0.0.1", "HTTP/1.1", "r1", "Service", "$", "$",
    ]  # fmt: skip


def test_variables_cannot_hold_line_breaks(gateway: "Gateway") -> None:
    seen = gateway.upstream_sees("script-shows", "/a%0d%0aX-Evil:%201")["headers"]
    assert seen["x-shown"][0].lower().startswith("/a%0d%0ax-evil: 1|")
    assert "x-evil" not in seen


def test_an_error_on_the_request_answers_500(gateway: "Gateway") -> None:
    answer = gateway.ask("script-broken-request")
    assert (answer.status_code, answer.json()) == (500, {"error_msg": "500 Internal Server Error"})


def test_an_error_on_the_response_answers_500_without_the_body(gateway: "Gateway") -> None:
    for site in ("script-broken-response", "script-broken-late"):
        for how in ({}, {"x_want_body": ""}, {"x_want_chunks": "a b"}):
            answer = gateway.ask(site, **how)
            assert (answer.status_code, answer.content) == (500, b"")
        assert gateway.ask(site, method="HEAD").status_code == 500
