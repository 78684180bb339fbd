"""The plugins that stand in a request's way, in the order they run, and which of them has answered it."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from gatefleet import plugins
from gatefleet.compile import ir, resolve
from gatefleet.compile.emit.routes import parted
from gatefleet.resources import Document

Kind = Literal["upstream", "plugin", "gateway"]
Outcome = Literal["ran", "answered", "not_reached", "conditional"]
NATIVE: Final = re.compile(r"gatefleet\{(.+)\}")
"""Details of answers of our native module: the filter's name, which is the plugin's."""
ENVOYS: Final[Mapping[str, str]] = {"request_payload_too_large": "client-control"}
"""Details of answers of Envoy's own filters, and the plugin that is made of them."""
MADE_OF: Final[Mapping[str, frozenset[str]]] = {
    "workflow": frozenset({"limit-count", "limit-conn", "limit-req"}),
    "multi-auth": frozenset({"key-auth", "basic-auth", "jwt-auth", "hmac-auth", "ldap-auth"}),
}
"""Plugins that use others: whose name is told when they answer."""
BEHIND_ALL: Final = ("direct_response", "upstream_", "no_healthy_upstream", "cluster_not_found")
"""How details of answers begin that Envoy gives once all plugins are through."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The documents that say which plugins a request meets. `route` and `service` are None if no route was chosen."""

    global_rules: Sequence[Document]
    service: Document | None
    route: Document | None
    consumer: Document | None
    replaced: frozenset[str]
    """The plugins that any consumer of the group has of its own, whose place is behind the consumer's name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One plugin in the way; `owner` is as `route:r1`."""

    name: str
    owner: str
    conditional: bool
    """It has a filter: whether it ran cannot be seen from outside."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Envoy tells of a request that is over. `signed`: the plugin whose script says that it has answered."""

    routed: bool
    upstream: str
    details: str
    signed: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has answered, and what became of each step."""

    kind: Kind
    plugin: str
    outcomes: tuple[Outcome, ...]


def way(given: Standing) -> tuple[Step, ...]:
    """The steps in the order a request meets them; what works on responses stands in front, as it does in Envoy."""
    everywhere = resolve.merged(
        *(resolve.uses(d.body.get("plugins") or {}, f"global_rule:{d.id}") for d in given.global_rules)
    )
    own = _own(given, everywhere) if given.route and given.service else ()
    return tuple(Step(use.name, use.owner, _is_conditional(use)) for use in (*everywhere, *own))


def _is_conditional(use: ir.PluginUse) -> bool:
    meta: Mapping[str, Any] = use.conf.get("_meta") or {}
    return bool(meta.get("filter"))


def _own(given: Standing, everywhere: Iterable[ir.PluginUse]) -> Iterable[ir.PluginUse]:
    """Those of the route, its service and the consumer."""
    assert given.route
    assert given.service
    registry = plugins.registry()
    inherited = {use.name: use for use in everywhere if registry[use.name].names_route}
    uses = resolve.merged(
        inherited,
        resolve.uses(given.service.body.get("plugins") or {}, f"service:{given.service.id}"),
        resolve.uses(given.route.body.get("plugins") or {}, f"route:{given.route.id}"),
    )
    if any(registry[use.name].names_consumer for use in (*everywhere, *uses)):
        before, behind = parted(uses, _replacing(given.replaced))
        theirs = resolve.consumer(given.consumer.id, given.consumer.body, ()).plugins if given.consumer else ()
        mixed = resolve.merged({use.name: use for use in behind}, {use.name: use for use in theirs})
        uses = (*before, *mixed)
    return (use for use in uses if use.name not in inherited or use.owner != inherited[use.name].owner)


def _replacing(names: Collection[str]) -> Sequence[ir.Consumer]:
    """Somebody with plugins of these names, if there are any."""
    own = tuple(resolve.uses({name: {} for name in names if not plugins.registry()[name].auth}, "consumer").values())
    return (ir.Consumer("", {}, (), own),) if own else ()


def verdict(steps: Sequence[Step], told: Told) -> Verdict:
    """Who has answered, as far as it can be known: a step of which it cannot be told is `conditional`."""
    kind, plugin = _answerer(steps, told)
    if kind == "plugin" and not told.details.startswith("via_upstream"):
        return Verdict(kind, plugin, _outcomes(steps, plugin))
    if kind == "gateway" and not told.upstream and not told.details.startswith(BEHIND_ALL):
        outcome: Outcome = "conditional" if told.routed else "not_reached"
        return Verdict(kind, plugin, (outcome,) * len(steps))
    return Verdict(kind, plugin, tuple(_passed(step, "answered" if step.name == plugin else "ran") for step in steps))


def _answerer(steps: Sequence[Step], told: Told) -> tuple[Kind, str]:
    known = plugins.registry()
    native = NATIVE.fullmatch(told.details)
    named = told.signed or (native[1] if native else "")
    if named in known:
        return "plugin", named
    if (made := ENVOYS.get(told.details, "")) and any(step.name == made for step in steps):
        return "plugin", made
    return ("upstream" if told.details.startswith("via_upstream") else "gateway"), ""


def _outcomes(steps: Sequence[Step], plugin: str) -> tuple[Outcome, ...]:
    """Where a plugin stands more than once, none of its places is certain, nor what is between them."""
    places = [n for n, step in enumerate(steps) if step.name == plugin or plugin in MADE_OF.get(step.name, ())]
    if not places:
        return ("conditional",) * len(steps)
    first, last = places[0], places[-1]
    before: list[Outcome] = [_passed(step, "ran") for step in steps[:first]]
    there: list[Outcome] = ["answered"] if first == last else ["conditional"] * (last + 1 - first)
    behind: list[Outcome] = ["not_reached"] * (len(steps) - last - 1)
    return (*before, *there, *behind)


def _passed(step: Step, outcome: Outcome) -> Outcome:
    return "conditional" if step.conditional and outcome == "ran" else outcome
