"""Route conditions (APISIX's `vars`, after lua-resty-expr) as predicates over request headers.

Envoy's route matcher sees headers only, and back-tracks when a predicate fails. What cannot be said that way is
refused when it is written, with the reason; nothing is silently ignored.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from gatefleet.errors import Invalid
from gatefleet.protos import pack
from gatefleet.protos.envoy.type.matcher import v3 as matching
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as matcher

Predicate = matcher.Matcher.MatcherList.Predicate
Single = Predicate.SinglePredicate
PATH_HEADER: Final = "x-gf-path"
HEADERS: Final = {"uri": PATH_HEADER, "request_method": ":method", "host": "x-forwarded-host", "scheme": ":scheme"}
LOGIC: Final = ("AND", "OR", "!AND", "!OR")


def header(name: str) -> xds.TypedExtensionConfig:
    """A matching input: the value of one request header."""
    return xds.TypedExtensionConfig(
        name="header", typed_config=pack(matching.HttpRequestHeaderMatchInput(header_name=name))
    )


def predicates(expression: Sequence[Any]) -> list[matcher.Matcher.MatcherList.Predicate]:
    """The conditions that must all hold; raises Invalid for a condition that cannot be carried."""
    items = list(expression)
    if not items:
        return []
    if isinstance(items[0], str):
        return [_logic(items) if items[0] in LOGIC else _condition(items)]
    return [_any(item) for item in items]


def all_of(parts: Sequence[matcher.Matcher.MatcherList.Predicate]) -> matcher.Matcher.MatcherList.Predicate:
    return parts[0] if len(parts) == 1 else Predicate(and_matcher=Predicate.PredicateList(predicate=parts))


def any_of(parts: Sequence[matcher.Matcher.MatcherList.Predicate]) -> matcher.Matcher.MatcherList.Predicate:
    return parts[0] if len(parts) == 1 else Predicate(or_matcher=Predicate.PredicateList(predicate=parts))


def none_of(part: matcher.Matcher.MatcherList.Predicate) -> matcher.Matcher.MatcherList.Predicate:
    return Predicate(not_matcher=part)


def equals(name: str, value: str) -> matcher.Matcher.MatcherList.Predicate:
    return _test(name, matcher.StringMatcher(exact=value))


def full_match(name: str, pattern: str) -> matcher.Matcher.MatcherList.Predicate:
    """The header's whole value matches the RE2 `pattern`."""
    return _test(name, matcher.StringMatcher(safe_regex={"google_re2": {}, "regex": pattern}))


def _any(item: Any) -> matcher.Matcher.MatcherList.Predicate:
    if not isinstance(item, Sequence) or isinstance(item, str) or not item:
        raise Invalid(f'Error at "/vars": {item!r} is not a condition; write [variable, operator, value]')
    parts: list[Any] = list(item)  # pyright: ignore[reportUnknownArgumentType]
    return _logic(parts) if parts[0] in LOGIC else _condition(parts)


def _logic(parts: list[Any]) -> matcher.Matcher.MatcherList.Predicate:
    inner = [_any(part) for part in parts[1:]]
    if not inner:
        raise Invalid(f'Error at "/vars": {parts[0]} needs conditions behind it')
    joined = all_of(inner) if parts[0].endswith("AND") else any_of(inner)
    return none_of(joined) if parts[0].startswith("!") else joined


def _condition(parts: list[Any]) -> matcher.Matcher.MatcherList.Predicate:
    negated = len(parts) == 4 and parts[1] == "!"
    if negated:
        parts = [parts[0], *parts[2:]]
    if len(parts) != 3:
        raise Invalid(f'Error at "/vars": {parts!r} is not a condition; write [variable, operator, value]')
    variable, operator, value = parts
    test = TESTS.get(operator)
    if test is None:
        raise Invalid(
            f'Error at "/vars": operator [{operator}] cannot be carried yet; use one of {", ".join(sorted(TESTS))}'
        )
    found = test(_header_of(variable), value)
    return none_of(found) if negated else found


def _header_of(variable: Any) -> str:
    name = str(variable)
    if name in HEADERS:
        return HEADERS[name]
    if name.startswith("http_") and len(name) > 5:
        return name[5:].replace("_", "-").lower()
    raise Invalid(
        f'Error at "/vars": variable [{name}] cannot be carried yet; use http_<header>, {", ".join(sorted(HEADERS))}'
    )


def _test(name: str, value: matcher.StringMatcher) -> matcher.Matcher.MatcherList.Predicate:
    return Predicate(single_predicate=Single(input=header(name), value_match=value))


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid(f'Error at "/vars": {value!r} is neither text nor a number')
    return str(value)


def _regex(name: str, value: Any, *, flags: str) -> matcher.Matcher.MatcherList.Predicate:
    pattern = _text(value)
    try:
        re.compile(pattern)
    except re.error as error:
        raise Invalid(f'Error at "/vars": [{pattern}] is not a regular expression: {error}') from None
    return full_match(name, f"(?{flags}).*(?:{pattern}).*")


def _one_of(name: str, value: Any) -> matcher.Matcher.MatcherList.Predicate:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise Invalid('Error at "/vars": operator [in] needs a list of values')
    return any_of([equals(name, _text(v)) for v in value])  # pyright: ignore[reportUnknownVariableType]


TESTS: Final[dict[str, Callable[[str, Any], matcher.Matcher.MatcherList.Predicate]]] = {
    "==": lambda name, value: equals(name, _text(value)),
    "~=": lambda name, value: none_of(equals(name, _text(value))),
    "~~": lambda name, value: _regex(name, value, flags="s"),
    "~*": lambda name, value: _regex(name, value, flags="si"),
    "in": _one_of,
}
