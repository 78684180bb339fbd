"""Which plugins a request meets, and what can be said of each once it is known who has answered."""

from typing import Any

import pytest

from gatefleet.compile.way import Standing, Step, Told, verdict, way
from gatefleet.resources import Document

LIMIT = {"count": 1, "time_window": 60}
SERVICE = Document("services", "s", None, {"plugins": {"limit-count": LIMIT, "csrf": {"key": "k"}}})
ROUTE = Document(
    "routes", "r", "s", {"plugins": {"key-auth": {}, "csrf": {"key": "k", "_meta": {"disable": True}}, "cors": {}}}
)
RULES = (
    Document("global_rules", "ip-restriction", None, {"plugins": {"ip-restriction": {"blacklist": ["192.0.2.1"]}}}),
    Document("global_rules", "prometheus", None, {"plugins": {"prometheus": {}}}),
)


def standing(**more: Any) -> Standing:
    given: dict[str, Any] = {
        "global_rules": RULES,
        "service": SERVICE,
        "route": ROUTE,
        "consumer": None,
        "replaced": frozenset(),
    }
    return Standing(**{**given, **more})


def owners(given: Standing) -> list[tuple[str, str]]:
    return [(step.name, step.owner) for step in way(given)]


def told(details: str, *, routed: bool = True, upstream: str = "", signed: str = "") -> Told:
    return Told(routed, upstream, details, signed)


GLOBAL = [("prometheus", "global_rule:prometheus"), ("ip-restriction", "global_rule:ip-restriction")]


def test_global_rules_come_first_then_the_routes_merged_with_its_services() -> None:
    assert owners(standing()) == [
        *GLOBAL, ("cors", "route:r"), ("key-auth", "route:r"), ("limit-count", "service:s"),
    ]  # fmt: skip
    assert owners(standing(route=None)) == GLOBAL


def test_a_consumers_own_plugins_replace_the_routes_and_never_run_before_he_is_known() -> None:
    own = {"cors": {}, "limit-count": {**LIMIT, "count": 9}}
    consumer = Document("consumers", "jack", None, {"plugins": {**own, "key-auth": {"key": "k"}}})
    replaced = frozenset((*own, "key-auth"))
    assert owners(standing(consumer=consumer, replaced=replaced))[2:] == [
        ("key-auth", "route:r"), ("cors", "consumer:jack"), ("limit-count", "consumer:jack"),
    ]  # fmt: skip
    stranger = owners(standing(replaced=replaced))[2:]
    assert stranger == [("key-auth", "route:r"), ("cors", "route:r"), ("limit-count", "service:s")]


STEPS = (
    Step("a-rule", "global_rule:x", conditional=False),
    Step("mocking", "route:r", conditional=True),
    Step("key-auth", "route:r", conditional=False),
    Step("limit-count", "service:s", conditional=False),
)


@pytest.mark.parametrize(
    ("seen", "who", "outcomes"),
    [
        (told("via_upstream", upstream="u"), ("upstream", ""), "ran conditional ran ran"),
        (told("gatefleet{key-auth}"), ("plugin", "key-auth"), "ran conditional answered not_reached"),
        (told("lua_response", signed="mocking"), ("plugin", "mocking"), "ran answered not_reached not_reached"),
        (told("via_upstream", upstream="u", signed="key-auth"), ("plugin", "key-auth"), "ran conditional answered ran"),
        (told("gatefleet{ip-restriction}"), ("plugin", "ip-restriction"), "conditional " * 4),
        (told("gatefleet{begin-anew}"), ("gateway", ""), "conditional " * 4),
        (told("direct_response", routed=False), ("gateway", ""), "ran conditional ran ran"),
        (told("upstream_reset_before_response_started{x}"), ("gateway", ""), "ran conditional ran ran"),
        (told("downstream_remote_disconnect"), ("gateway", ""), "conditional " * 4),
        (told("downstream_remote_disconnect", upstream="u"), ("gateway", ""), "ran conditional ran ran"),
        (told("path_normalization_failed", routed=False), ("gateway", ""), "not_reached " * 4),
        (told("request_payload_too_large"), ("gateway", ""), "conditional " * 4),
    ],
)
def test_what_is_before_the_one_that_answered_ran_and_what_is_behind_was_not_reached(
    seen: Told, who: tuple[str, str], outcomes: str
) -> None:
    found = verdict(STEPS, seen)
    assert (found.kind, found.plugin) == who
    assert list(found.outcomes) == outcomes.split()


def test_a_plugin_that_stands_twice_is_certain_in_neither_place() -> None:
    steps = (STEPS[0], STEPS[3], STEPS[2], Step("workflow", "route:r", conditional=False), STEPS[0])
    assert list(verdict(steps, told("gatefleet{limit-count}")).outcomes) == [
        "ran", "conditional", "conditional", "conditional", "not_reached",
    ]  # fmt: skip
