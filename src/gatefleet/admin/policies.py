"""Permission policies: what a statement says, compiled once, and what a set of policies decides. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, Protocol, cast

import msgspec
import re2

from gatefleet.errors import Invalid

LABELS: Final = ("gateway_group_label", "service_label", "consumer_label", "role_label", "permissionpolicy_label")
"""What conditions can ask the labels of."""
RE2: Final = cast("Any", re2)
"""The library has no types."""
MAX_STATEMENTS: Final = 100
MAX_PATTERNS: Final = 200


class Options(msgspec.Struct, frozen=True):
    """A label and the value it must have."""

    key: str
    value: str
    operator: Literal["exact_match"] = "exact_match"


class MatchLabel(msgspec.Struct, frozen=True):
    """One condition."""

    type: Literal["MatchLabel"]
    options: Options


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is allowed or denied to be done with what. All conditions must hold.

    `*` in a resource or action stands for anything, `<...>` for a regular expression (RE2).
    """

    resources: tuple[str, ...]
    actions: tuple[str, ...]
    effect: Literal["allow", "deny"] = "allow"
    conditions: Mapping[str, MatchLabel | tuple[MatchLabel, ...]] = {}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: may this be done with this? `labels` of what is concerned, by the condition's name."""

    action: str
    resource: str
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and the statement that gave it: none if nothing allows what was asked."""

    allowed: bool
    policy: str = ""
    statement: int = -1
    reason: str = ""


class _Pattern(Protocol):
    def fullmatch(self, text: str) -> object | None: ...


class _Compiled:
    """A statement whose patterns are compiled."""

    __slots__ = ("actions", "conditions", "covers", "deny")

    def __init__(self, statement: Statement, where: str) -> None:
        self.deny = statement.effect == "deny"
        self.actions = _pattern(statement.actions, f"{where}/actions")
        self.covers = _remembering(_pattern(statement.resources, f"{where}/resources"))
        self.conditions = tuple(_conditions(statement.conditions, where))

    def speaks_of(self, asked: Asked) -> bool:
        return self.covers(asked.resource) and all(
            asked.labels.get(name, {}).get(key) == value for name, key, value in self.conditions
        )


class Policy:
    """A compiled policy. Raises Invalid, naming the field, for statements that make no sense.

    `id` is empty for what is no policy of its own, as the scope of a token.
    """

    def __init__(self, name: str, statements: Iterable[Statement], id_: str = "") -> None:
        self.name, self.id = name, id_
        self._statements = tuple(_Compiled(one, f"/statement/{n}") for n, one in enumerate(statements))
        self._of_action = lru_cache(maxsize=1024)(self._select)
        self.labels = frozenset(label for one in self._statements for label, _, _ in one.conditions)

    def _select(self, action: str) -> tuple[tuple[int, _Compiled], ...]:
        """The statements about an action, denials first."""
        found = [(n, one) for n, one in enumerate(self._statements) if one.actions.fullmatch(action) is not None]
        return tuple(sorted(found, key=lambda numbered: (not numbered[1].deny, numbered[0])))

    def says(self, asked: Asked) -> tuple[Literal["allow", "deny"], int] | None:
        """What this policy says, and by which statement; None if it says nothing."""
        for number, statement in self._of_action(asked.action):
            if statement.speaks_of(asked):
                return ("deny" if statement.deny else "allow"), number
        return None


def decide(policies: Sequence[Policy], boundary: Sequence[Policy], asked: Asked) -> Decision:
    """Allowed if a policy allows it, and a policy of the boundary too if there is one, and none of all denies it."""
    found: list[Decision | None] = [None, None]
    for part, several in enumerate((policies, boundary)):
        for policy in several:
            said = policy.says(asked)
            if said and said[0] == "deny":
                return Decision(allowed=False, policy=policy.name, statement=said[1], reason="a statement denies it")
            if said and found[part] is None:
                found[part] = Decision(allowed=True, policy=policy.name, statement=said[1])
    allowing, bounding = found
    if allowing and boundary and not bounding:
        return Decision(allowed=False, reason="the permission boundary does not allow it")
    return allowing or Decision(allowed=False, reason="no policy allows it")


def read_statements(raw: Any) -> tuple[Statement, ...]:
    """The statements of a policy's body; Invalid, naming the field, for what is none."""
    if not isinstance(raw, list) or not 1 <= len(cast("list[Any]", raw)) <= MAX_STATEMENTS:
        raise Invalid(f'Error at "/statement": a policy has 1 to {MAX_STATEMENTS} statements')
    items = [_one_form(item) for item in cast("list[Any]", raw)]
    try:
        return msgspec.convert(items, tuple[Statement, ...])
    except msgspec.ValidationError as error:
        raise Invalid(f'Error at "/statement": {error}') from error


def _one_form(item: Any) -> Any:
    """Conditions come as an object, or as a list of objects of one condition each."""
    if not isinstance(item, dict):
        return item
    statement = cast("dict[str, Any]", item)
    conditions = statement.get("conditions")
    if conditions is None:
        return {key: part for key, part in statement.items() if key != "conditions"}
    if not isinstance(conditions, list):
        return statement
    joined: dict[str, list[Any]] = {}
    for condition in cast("list[Any]", conditions):
        if not isinstance(condition, dict):
            return statement
        for name, match in cast("dict[str, Any]", condition).items():
            joined.setdefault(name, []).append(match)
    return {**statement, "conditions": joined}


def _conditions(
    conditions: Mapping[str, MatchLabel | tuple[MatchLabel, ...]], where: str
) -> Iterable[tuple[str, str, str]]:
    for name, matches in conditions.items():
        if name not in LABELS:
            raise Invalid(
                f'Error at "{where}/conditions/{name}": value is not one of the allowed values {list(LABELS)}'
            )
        for match in (matches,) if isinstance(matches, MatchLabel) else matches:
            yield name, match.options.key, match.options.value


def _remembering(pattern: _Pattern) -> Callable[[str], bool]:
    """Matching costs fifty times what looking up does, and the same few resources are asked for again and again."""

    def matches(text: str) -> bool:
        return pattern.fullmatch(text) is not None

    return lru_cache(maxsize=4096)(matches)


def _pattern(texts: Sequence[str], where: str) -> _Pattern:
    if not 1 <= len(texts) <= MAX_PATTERNS:
        raise Invalid(f'Error at "{where}": 1 to {MAX_PATTERNS} items are wanted')
    options = RE2.Options()
    options.log_errors = False
    try:
        return cast("_Pattern", RE2.compile("|".join(f"(?:{_expression(text, where)})" for text in texts), options))
    except RE2.error as error:
        raise Invalid(f'Error at "{where}": not a pattern: {error}') from error


def _expression(text: str, where: str) -> str:
    """A pattern as one regular expression: fragments in angle brackets are one already, the rest is literal but `*`."""
    found: list[str] = []
    rest = text
    while rest:
        literal, opened, rest = rest.partition("<")
        found.append(".*".join(RE2.escape(part) for part in literal.split("*")))
        if opened:
            fragment, closed, rest = rest.partition(">")
            if not closed:
                raise Invalid(f'Error at "{where}": "{text}" has a "<" without ">"')
            found.append(f"(?:{fragment})")
    return "".join(found)
