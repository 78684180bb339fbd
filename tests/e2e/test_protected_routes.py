"""A protected route stays protected however it is reached."""

import uuid
from typing import Any

import pytest

from tests.e2e.kit import Fleet, eventually

GUARDS: dict[str, tuple[dict[str, Any], int]] = {
    "key-auth": ({}, 401),
    "basic-auth": ({}, 401),
    "ip-restriction": ({"blacklist": ["127.0.0.0/8"]}, 403),
    "limit-count": (
        {"count": 1, "time_window": 3600, "key": "guard", "key_type": "constant", "rejected_code": 403},
        403,
    ),
}


@pytest.fixture(scope="module", params=list(GUARDS))
def guarded(request: pytest.FixtureRequest, fleet: Fleet, upstream: int) -> tuple[str, int]:
    """One protected route on an exact host, one on a wildcard, one on any host; the unique word of their names."""
    plugin = request.param
    conf, refusal = GUARDS[plugin]
    word = f"{plugin}-{uuid.uuid4().hex[:6]}"
    hosts = {"exact": [f"{word}.test"], "wild": [f"*.{word}.wild"], "any": None}
    for kind, names in hosts.items():
        service = f"{word}-{kind}"
        fleet.service(service, upstream, **({"hosts": names} if names else {}))
        fleet.route(service, service, f"/{word}-{kind}/*", plugins={plugin: {**conf, **_own_key(plugin, service)}})
    fleet.service(f"{word}-open", upstream, hosts=[f"{word}.test"])
    fleet.route(f"{word}-open", f"{word}-open", f"/{word}-open")
    eventually(lambda: fleet.get(f"/{word}-open", host=f"{word}.test").status == 200)
    if plugin == "limit-count":
        for kind, host in (("exact", f"{word}.test"), ("wild", f"a.{word}.wild"), ("any", "x")):
            eventually(lambda k=kind, h=host: fleet.get(f"/{word}-{k}/spend", host=h).status == refusal)
    return word, refusal


def _own_key(plugin: str, service: str) -> dict[str, Any]:
    return {"key": service} if plugin == "limit-count" else {}


@pytest.mark.parametrize(
    ("kind", "host"),
    [
        ("exact", "{word}.test"),
        ("exact", "{WORD}.TEST"),
        ("exact", "{word}.test:9080"),
        ("exact", "{word}.test."),
        ("wild", "a.{word}.wild"),
        ("wild", "A.b.{word}.WILD:81"),
        ("any", None),
        ("any", "unknown.example"),
        ("any", "127.0.0.1"),
        ("any", "{word}.test"),
        ("any", "a.{word}.wild"),
    ],
)
def test_a_protected_route_refuses_by_whatever_host_it_is_reached(
    guarded: tuple[str, int], fleet: Fleet, kind: str, host: str | None
) -> None:
    word, refusal = guarded
    name = host.replace("{word}", word).replace("{WORD}", word.upper()) if host else None
    for path in (f"/{word}-{kind}/x", f"//{word}-{kind}/x", f"/zz/../{word}-{kind}/x", f"/{word}-{kind}%2Fx"):
        answer = eventually(lambda p=path: fleet.get(p, host=name))
        assert answer.status == refusal or (answer.status == 404 and "%2F" in path), (path, name, answer)


def test_a_request_cannot_choose_its_own_route_scope_or_consumer(guarded: tuple[str, int], fleet: Fleet) -> None:
    word, refusal = guarded
    spoof = {"x_gf_scope": "*", "x_gf_path": f"/{word}-open", "x_consumer_username": "root"}
    assert fleet.get(f"/{word}-exact/x", host=f"{word}.test", **spoof).status == refusal
