"""What stream routes and server names cannot carry is refused when it is written, with the field's name."""

from collections.abc import Mapping
from typing import Any

import pytest

from gatefleet.compile.check import check
from gatefleet.errors import Invalid
from gatefleet.resources import Document
from gatefleet.resources.accept import accept
from tests.e2e.certificates import authority, issue

CA = authority()
PAIR = issue(CA, "a.test")
LIMIT = {"conn": 1, "burst": 0, "default_conn_delay": 0.1, "key": "remote_addr"}
SSL = {"snis": ["a.test"], "cert": PAIR.cert, "key": PAIR.key}
STREAM_ROUTE = {"name": "r", "service_id": "s", "server_port": 5000}


def written(kind: str, body: Mapping[str, Any]) -> None:
    """What the Admin API does with a document before it stores it."""
    parent = body.get("service_id")
    check(Document(kind, "one", parent, accept(kind, "one", body)))


STREAM_ROUTES: list[tuple[dict[str, Any], str, str]] = [
    ({"server_port": 9443}, "/server_port", "the gateway itself listens on 9443"),
    ({"tls_passthrough": True}, "/tls_passthrough", "give sni"),
    ({"plugins": {"key-auth": {}}}, "/plugins/key-auth", "does not work on stream routes"),
    ({"plugins": {"limit-conn": {**LIMIT, "burst": 1}}}, "/plugins/limit-conn", "cannot be delayed"),
    ({"plugins": {"limit-conn": {**LIMIT, "policy": "redis"}}}, "/plugins/limit-conn", "policy: [redis]"),
    ({"plugins": {"limit-conn": {**LIMIT, "key": "http_x"}}}, "/plugins/limit-conn", "has no [http_x]"),
    ({"plugins": {"limit-conn": {"conn": 0}}}, "/plugins/limit-conn/conn", ""),
    (
        {"plugins": {"traffic-split": {"rules": [{"match": [{}], "weighted_upstreams": [{"weight": 1}]}]}}},
        "/plugins/traffic-split",
        "rules/0/match",
    ),
    ({"plugins": {"ip-restriction": {"whitelist": ["10.0.0.0/33"]}}}, "/plugins/ip-restriction/whitelist/0", ""),
]


@pytest.mark.parametrize(("more", "field", "reason"), STREAM_ROUTES)
def test_of_a_stream_route(more: Mapping[str, Any], field: str, reason: str) -> None:
    written("stream_routes", STREAM_ROUTE)
    with pytest.raises(Invalid) as refused:
        written("stream_routes", {**STREAM_ROUTE, **more})
    assert field in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"snis": ["*a.test"]}, "/snis"),
        ({"ssl_protocols": ["TLSv1.1", "TLSv1.3"]}, "/ssl_protocols"),
        ({"ssl_protocols": ["SSLv3"]}, "/ssl_protocols"),
        ({"client": {"ca": CA.cert, "skip_mtls_uri_regex": ["("]}}, "/client/skip_mtls_uri_regex/0"),
        ({"client": {"ca": CA.cert.replace("A", "#")}}, "/client/ca"),
        ({"certs": [PAIR.cert], "keys": [issue(CA, "b.test").key]}, "/certs/0"),
    ],
)
def test_of_an_ssl_object(more: Mapping[str, Any], field: str) -> None:
    written("ssls", SSL)
    with pytest.raises(Invalid) as refused:
        written("ssls", {**SSL, **more})
    assert f'"{field}"' in str(refused.value)


def test_of_an_sni() -> None:
    sni = {"domain": "a.test", "certificates": ["c"], "mtls": {"enabled": True, "ca_certificates": ["a"]}}
    written("snis", sni)
    wrong: list[tuple[dict[str, Any], str]] = [({"plugins": {"cors": {}}}, "/plugins"), ({"domain": "*"}, "/domain")]
    for more, field in wrong:
        with pytest.raises(Invalid) as refused:
            written("snis", {**sni, **more})
        assert f'"{field}"' in str(refused.value)
