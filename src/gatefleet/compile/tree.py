"""Matcher trees over the path, as bytes: exact map, then longest prefix, then the next level.

Source of the semantics: Envoy's unified matcher API (`xds.type.matcher.v3`): a nested matcher without a result falls
back to the next shorter prefix and at last to `on_no_match`. A leaf that is an action does not fall back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gatefleet.compile import vars as conditions
from gatefleet.compile.paths import Pattern
from gatefleet.compile.wire import dump, embed, number
from gatefleet.protos.xds.type.matcher import v3 as matcher

_OnMatch = matcher.Matcher.OnMatch
_Tree = matcher.Matcher.MatcherTree
_List = matcher.Matcher.MatcherList

ON_NO_MATCH: Final = number(matcher.Matcher, "on_no_match")
MATCHER_TREE: Final = number(matcher.Matcher, "matcher_tree")
MATCHER_LIST: Final = number(matcher.Matcher, "matcher_list")
ON_MATCH_MATCHER: Final = number(_OnMatch, "matcher")
ON_MATCH_ACTION: Final = number(_OnMatch, "action")
TREE_EXACT: Final = number(_Tree, "exact_match_map")
TREE_PREFIX: Final = number(_Tree, "prefix_match_map")
MAP_ENTRY: Final = number(_Tree.MatchMap, "map")
MATCHERS: Final = number(_List, "matchers")
FIELD_ON_MATCH: Final = number(_List.FieldMatcher, "on_match")
PATH_INPUT: Final = embed(number(_Tree, "input"), dump(conditions.header(conditions.PATH_HEADER)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One route at one path: it is taken when its conditions hold, before candidates with a higher `order`."""

    pattern: Pattern
    order: tuple[int, tuple[int, int], int, str]
    """Falling priority, rank of the pattern, 0 with conditions or 1 without, route id."""
    condition: bytes
    """Serialized `FieldMatcher.predicate` field; empty when there is nothing more to check."""
    action: bytes
    """Serialized `OnMatch` with the route as its action."""
    questions: tuple[bytes, ...] = ()
    """What the native module has to answer in headers before the condition can be told (`native.questions`)."""
    bodies: tuple[str, ...] = ()
    """What has to be asked of the body before (`compile.bodies`)."""
    reachable: bytes = b""
    """As `condition`, for requests whose body could make the condition hold; empty where nothing is asked of it."""


def on_match(action: bytes) -> bytes:
    """`OnMatch` bytes for serialized `TypedExtensionConfig` bytes."""
    return embed(ON_MATCH_ACTION, action)


def condition(parts: Sequence[matcher.Matcher.MatcherList.Predicate]) -> bytes:
    """The `predicate` field of a `FieldMatcher` that wants every part; empty bytes for no part."""
    return dump(_List.FieldMatcher(predicate=conditions.all_of(parts))) if parts else b""


def predicate(condition: bytes) -> matcher.Matcher.MatcherList.Predicate:
    """What `condition` was made of."""
    return _List.FieldMatcher.FromString(condition).predicate


def first(condition: bytes, action: bytes, otherwise: bytes) -> bytes:
    """`OnMatch` bytes: `action` where the condition (as `condition` makes it) holds, else the `OnMatch` `otherwise`."""
    field = embed(MATCHERS, condition, embed(FIELD_ON_MATCH, action))
    return embed(ON_MATCH_MATCHER, embed(MATCHER_LIST, field), embed(ON_NO_MATCH, otherwise))


def level(candidates: Iterable[Candidate], otherwise: bytes) -> bytes:
    """`OnMatch` bytes that try the candidates' exact paths, then their prefixes, then the `OnMatch` `otherwise`."""
    exact: dict[str, list[Candidate]] = {}
    prefix: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        (exact if candidate.pattern.exact else prefix).setdefault(candidate.pattern.key, []).append(candidate)
    below = _map(TREE_PREFIX, prefix, otherwise)
    return _map(TREE_EXACT, exact, below)


def root(on: bytes) -> bytes:
    """The `Matcher` inside `OnMatch` bytes made by `level`: what a virtual host's `matcher` field holds."""
    size = len(embed(ON_MATCH_MATCHER, b"")) - 1
    at = size
    while on[at] & 128:
        at += 1
    return on[at + 1 :]


def _map(kind: int, nodes: dict[str, list[Candidate]], otherwise: bytes) -> bytes:
    if not nodes:
        return otherwise
    entries = (
        embed(MAP_ENTRY, embed(1, path.encode()), embed(2, _node(found))) for path, found in sorted(nodes.items())
    )
    tree = embed(MATCHER_TREE, PATH_INPUT, embed(kind, *entries))
    return embed(ON_MATCH_MATCHER, tree, embed(ON_NO_MATCH, otherwise))


def _node(candidates: list[Candidate]) -> bytes:
    ordered = sorted(candidates, key=lambda c: c.order)
    if not ordered[0].condition:
        return ordered[0].action
    checked: list[bytes] = []
    last = b""
    for candidate in ordered:
        if not candidate.condition:
            last = embed(ON_NO_MATCH, candidate.action)
            break
        checked.append(embed(MATCHERS, candidate.condition, embed(FIELD_ON_MATCH, candidate.action)))
    return embed(ON_MATCH_MATCHER, embed(MATCHER_LIST, *checked), last)
