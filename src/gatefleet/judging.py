"""Conditions (APISIX's `[[variable, operator, value], ...]`, after lua-resty-expr) over values that are at hand.

For what is decided when a request is over and nobody waits, as whether it is logged; conditions that requests wait for
are asked in Envoy (`expressions`, `compile.vars`).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final, cast

import re2

from gatefleet.errors import Invalid

LOGIC: Final = ("AND", "OR", "!AND", "!OR")
OPERATORS: Final = ("==", "~=", "!=", ">", ">=", "<", "<=", "~~", "~*", "in", "ipmatch")
Condition = list[Any]
Values = Mapping[str, str]


def check(rule: Condition, field: str) -> Condition:
    """The rule itself; Invalid, naming `field`, when it is none."""
    for item in _items(rule, field):
        _check_one(item, field)
    return rule


def variables(rule: Condition) -> set[str]:
    """The variables that a checked rule asks for."""
    return {str(item[0]) for item in _items(rule, "")}


def holds(rule: Condition, values: Values) -> bool:
    """Whether a checked rule holds; all its conditions must. A variable that is not in `values` has no value."""
    if rule and isinstance(rule[0], str):
        if rule[0].upper() not in LOGIC:
            return _one_holds(rule, values)
        operator, parts = rule[0].upper(), (holds(part, values) for part in rule[1:])
        found = any(parts) if operator.endswith("OR") else all(parts)
        return found is not operator.startswith("!")
    return all(holds(part, values) for part in rule)


def any_of(rules: list[Condition]) -> Condition:
    """One rule that holds where one of these does."""
    return ["OR", *rules]


def _items(rule: Any, field: str) -> Iterator[list[Any]]:
    """Every [variable, operator, value] in it."""
    if not isinstance(rule, list) or not rule:
        raise Invalid(f"[{field}] {rule!r} is not a condition; write [variable, operator, value]")
    parts = cast("list[Any]", rule)
    if isinstance(parts[0], str) and parts[0].upper() not in LOGIC:
        yield parts
        return
    inner = parts[1:] if isinstance(parts[0], str) else parts
    if not inner:
        raise Invalid(f"[{field}] {parts[0]} needs conditions behind it")
    for part in inner:
        yield from _items(part, field)


def _taken_apart(item: list[Any]) -> tuple[str, str, Any, bool]:
    """Variable, operator, value, and whether it is negated."""
    negated = len(item) == 4 and item[1] == "!"
    name, operator, value = [item[0], *item[2:]] if negated else item
    return str(name), "~=" if operator == "!=" else str(operator), value, negated


def _check_one(item: list[Any], field: str) -> None:
    if not (len(item) == 3 or (len(item) == 4 and item[1] == "!")) or item[-2] not in OPERATORS:
        raise Invalid(f"[{field}] {item!r} is not a condition; its operator is one of {', '.join(OPERATORS)}")
    _, operator, value, _ = _taken_apart(item)
    if problem := _unfit(operator, value):
        raise Invalid(f"[{field}] {item!r} has a value that does not fit its operator: {problem}")


def _unfit(operator: str, value: Any) -> str:
    """Why an operator cannot have that value; empty if it can."""
    try:
        if operator in ("~~", "~*"):
            _regex(operator, value)
        elif operator == "ipmatch":
            _networks(tuple(value))
        elif not isinstance(value, list if operator == "in" else str | int | float):
            return "a list is needed" if operator == "in" else "neither text nor number"
    except (ValueError, TypeError) as error:
        return str(error)
    return ""


def _one_holds(item: list[Any], values: Values) -> bool:
    name, operator, value, negated = _taken_apart(item)
    return _compared(values.get(name), operator, value) is not negated


def _compared(found: str | None, operator: str, value: Any) -> bool:
    if operator in ("==", "~="):
        return _equal(found, value) is (operator == "==")
    if found is None:
        return False
    match operator:
        case "in":
            return any(_equal(found, one) for one in value)
        case "~~" | "~*":
            return _regex(operator, value)(found)
        case "ipmatch":
            return _lies_in(found, tuple(value))
        case _:
            return _ordered(found, operator, value)


def _equal(found: str | None, value: Any) -> bool:
    return _number(found) == value if isinstance(value, int | float) else found == value


def _ordered(found: str, operator: str, value: Any) -> bool:
    left, right = _number(found), _number(value)
    if left is None or right is None:
        return False
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@lru_cache(256)
def _regex(operator: str, pattern: str) -> Callable[[str], bool]:
    """Whether a text has a match; ValueError for what is no regular expression of RE2."""
    try:
        compiled: Any = re2.compile(("(?i)" if operator == "~*" else "") + pattern)  # pyright: ignore[reportUnknownMemberType]
    except re2.error as error:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        raise ValueError(str(error)) from None  # pyright: ignore[reportUnknownArgumentType]
    return lambda text: compiled.search(text) is not None


@lru_cache(256)
def _networks(texts: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


def _lies_in(found: str, texts: tuple[str, ...]) -> bool:
    try:
        address = ip_address(found)
    except ValueError:
        return False
    return any(address in network for network in _networks(texts))
