"""Conditions (APISIX's `vars`, after lua-resty-expr) as predicates over request headers.

Envoy's route matcher sees headers only, and back-tracks when a predicate fails. What is no header is asked of the
native module or, where it is in the body, of our Lua: both answer in a header before the route is chosen. What cannot
be known by then is refused when it is written, with the reason; nothing is silently ignored.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final, cast

from gatefleet import expressions, filters
from gatefleet.compile import bodies
from gatefleet.errors import Invalid
from gatefleet.native import questions
from gatefleet.protos import pack
from gatefleet.protos.envoy.config.core import v3 as core
from gatefleet.protos.envoy.extensions.matching.input_matchers.ip import v3 as ip
from gatefleet.protos.envoy.type.matcher import v3 as matching
from gatefleet.protos.google import protobuf as wkt
from gatefleet.protos.xds.core import v3 as xds
from gatefleet.protos.xds.type.matcher import v3 as matcher

Predicate = matcher.Matcher.MatcherList.Predicate
Single = Predicate.SinglePredicate
PATH_HEADER: Final = "x-gf-path"
CLIENT_HEADER: Final = "x-real-ip"
NEVER_HEADER: Final = "x-gf-never"
"""No request has it."""
HEADERS: Final = {
    "uri": PATH_HEADER,
    "request_uri": ":path",
    "request_method": ":method",
    "host": "x-forwarded-host",
    "http_host": ":authority",
    "scheme": ":scheme",
    "remote_addr": CLIENT_HEADER,
    "server_port": "x-forwarded-port",
    "content_type": "content-type",
    "content_length": "content-length",
}
"""Variables that are a header by the time the route is chosen."""
OVERWRITTEN: Final = frozenset({CLIENT_HEADER, *(f"x-forwarded-{what}" for what in ("for", "host", "port", "proto"))})
"""Headers of the client that do not hold what it sent any more."""
LOGIC: Final = ("AND", "OR", "!AND", "!OR")
CONSUMER: Final = {"consumer_name": "x-consumer-username"}
BODY: Final = ("post_arg_", "post_arg.", "graphql_", "request_body")
LATER: Final = frozenset({"consumer_name", "route_id", "route_name", "service_id", "service_name", "status"})


@dataclass(frozen=True, slots=True)
class Conditions:
    """Predicates that must all hold, and what the native module has to answer for them."""

    predicates: tuple[matcher.Matcher.MatcherList.Predicate, ...] = ()
    questions: tuple[bytes, ...] = ()
    bodies: tuple[str, ...] = ()
    """What has to be asked of the body for them (`compile.bodies`)."""
    before: tuple[matcher.Matcher.MatcherList.Predicate, ...] = ()
    """Those of the predicates that ask nothing of the body."""

    def __add__(self, other: "Conditions") -> "Conditions":
        asked = tuple(sorted({*self.questions, *other.questions}))
        bodies = tuple(sorted({*self.bodies, *other.bodies}))
        return Conditions(self.predicates + other.predicates, asked, bodies, self.before + other.before)


def read(expression: Sequence[Any], field_name: str = "/vars", *, in_chain: bool = False) -> Conditions:
    """The conditions of an expression; raises Invalid, naming `field_name`, for one that cannot be carried.

    `in_chain`: they are asked in a filter chain, where the consumer may be known.
    """
    items = list(expression)
    if not items:
        return Conditions()
    reader = _Reader(field_name, CONSUMER if in_chain else {}, asks_bodies=not in_chain)
    return sum((reader.part(item) for item in ([items] if _is_logic(items[0]) else items)), Conditions())


def header(name: str) -> xds.TypedExtensionConfig:
    """A matching input: the value of one request header."""
    return xds.TypedExtensionConfig(
        name="header", typed_config=pack(matching.HttpRequestHeaderMatchInput(header_name=name))
    )


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


def in_networks(name: str, networks: Sequence[str]) -> matcher.Matcher.MatcherList.Predicate:
    """The header's value is an address in one of `networks` (`address/bits`)."""
    ranges = [
        core.CidrRange(address_prefix=address, prefix_len=wkt.UInt32Value(value=int(bits)))
        for address, _, bits in (network.partition("/") for network in networks)
    ]
    test = xds.TypedExtensionConfig(name="ip", typed_config=pack(ip.Ip(cidr_ranges=ranges, stat_prefix="gf")))
    return Predicate(single_predicate=Single(input=header(name), custom_match=test))


def network(text: Any, field_name: str) -> str:
    """An address or network of either family as `address/bits`; raises Invalid, naming `field_name`, for others."""
    try:
        return str(ip_network(str(text), strict=False))
    except ValueError:
        raise Invalid(f'Error at "{field_name}": [{text}] is neither an IP address nor a network') from None


def _test(name: str, value: matcher.StringMatcher) -> matcher.Matcher.MatcherList.Predicate:
    return Predicate(single_predicate=Single(input=header(name), value_match=value))


def _is_logic(item: Any) -> bool:
    return isinstance(item, str) and item.upper() in LOGIC


def _present(name: str) -> matcher.Matcher.MatcherList.Predicate:
    return full_match(name, "(?s).*")


def _never() -> matcher.Matcher.MatcherList.Predicate:
    return _present(NEVER_HEADER)


def _number(value: Any) -> float | None:
    """What Lua's tonumber makes of a value that JSON can hold."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except ValueError:
        return None


@dataclass(slots=True)
class _Reader:
    """Reads one expression and notes what it asks of the native module."""

    where: str
    """The field of the document that holds it."""
    more: Mapping[str, str]
    """Further variables that are a header."""
    asks_bodies: bool
    """Bodies may be asked for."""
    asked: set[bytes] = field(default_factory=set[bytes])
    bodies: set[str] = field(default_factory=set[str])

    def part(self, item: Any) -> Conditions:
        """One condition of those that all must hold."""
        self.asked, self.bodies = set(), set()
        found = self.any(item)
        before = () if self.bodies else (found,)
        return Conditions((found,), tuple(sorted(self.asked)), tuple(sorted(self.bodies)), before)

    def any(self, item: Any) -> matcher.Matcher.MatcherList.Predicate:
        if not isinstance(item, list | tuple) or not item:
            raise self.invalid(f"{_shown(item)} is not a condition; write [variable, operator, value] in brackets")
        parts = list(cast("Sequence[Any]", item))
        if _is_logic(parts[0]):
            return self.logic(parts)
        if isinstance(parts[0], list | tuple):
            return all_of([self.any(part) for part in parts])
        return self.condition(parts)

    def logic(self, parts: list[Any]) -> matcher.Matcher.MatcherList.Predicate:
        word = str(parts[0]).upper()
        inner = [self.any(part) for part in parts[1:]]
        if not inner:
            raise self.invalid(f"{word} needs conditions behind it")
        joined = all_of(inner) if word.endswith("AND") else any_of(inner)
        return none_of(joined) if word.startswith("!") else joined

    def condition(self, parts: list[Any]) -> matcher.Matcher.MatcherList.Predicate:
        negated = len(parts) == 4 and parts[1] == "!"
        if negated:
            parts = [parts[0], *parts[2:]]
        elif len(parts) == 2:
            parts = [parts[0], "==", parts[1]]
        if len(parts) != 3 or not isinstance(parts[0], str):
            raise self.invalid(f"{_shown(parts)} is not a condition; write [variable, operator, value]")
        variable, operator, value = parts
        test = TESTS.get(str(operator).lower())
        if test is None:
            raise self.invalid(f"unknown operator [{operator}]; there are {', '.join(sorted(TESTS))} and ! before them")
        if self.asks_bodies and expressions.BODY.fullmatch(variable):
            found = self.of_body(variable, str(operator).lower(), value)
        else:
            self.check(variable)
            found = test(self, variable, value)
        return none_of(found) if negated else found

    def of_body(self, variable: str, operator: str, value: Any) -> matcher.Matcher.MatcherList.Predicate:
        """No answer is what a body that says nothing gets, so `~=` is told as the opposite of `==`."""
        try:
            question = bodies.question(variable, "==" if operator == "~=" else operator, value)
        except Invalid as error:
            raise self.invalid(str(error)) from None
        self.bodies.add(question)
        found = equals(bodies.header_of(question), "1")
        return none_of(found) if operator == "~=" else found

    def check(self, variable: str) -> None:
        """Raises Invalid for a variable that is not known when a route is chosen."""
        if variable in self.more:
            return
        if variable.startswith(BODY):
            raise self.invalid(f"variable [{variable}] of the body cannot be asked for here")
        if variable in LATER:
            raise self.invalid(f"variable [{variable}] is not known before a route is chosen")
        named = any(variable.startswith(prefix) and len(variable) > len(prefix) for prefix in questions.PREFIXES)
        if not named and variable not in HEADERS and variable not in questions.PLAIN:
            known = ", ".join(sorted({*HEADERS, *questions.PLAIN, *(f"{prefix}*" for prefix in questions.PREFIXES)}))
            raise self.invalid(f"unknown variable [{variable}]; there are {known}")

    def source(self, variable: str) -> str:
        """The header that holds the variable's value, whoever sets it."""
        if variable in HEADERS or variable in self.more:
            return HEADERS.get(variable) or self.more[variable]
        name = variable.removeprefix("http_").replace("_", "-").lower()
        if variable.startswith("http_") and name not in OVERWRITTEN:
            return name
        return self.ask(questions.value_of(_folded(variable)))

    def ask(self, question: bytes) -> str:
        self.asked.add(question)
        return questions.header_of(question)

    def equal(self, variable: str, value: Any) -> matcher.Matcher.MatcherList.Predicate:
        if value is None:
            return none_of(_present(self.source(variable)))
        if isinstance(value, str):
            return equals(self.source(variable), value)
        number = _number(value)
        return _never() if number is None else self.compare(variable, "==", number)

    def compare(
        self, variable: str, operator: questions.Comparison, value: Any
    ) -> matcher.Matcher.MatcherList.Predicate:
        number = _number(value)
        asked = {"content_type": "http_content_type", "content_length": "http_content_length"}.get(variable, variable)
        if number is None or asked in ("request_method", "scheme", *self.more):
            return _never()
        return equals(self.ask(questions.compared(_folded(asked), operator, number)), "1")

    def match(self, variable: str, value: Any, flags: str) -> matcher.Matcher.MatcherList.Predicate:
        if not isinstance(value, str):
            raise self.invalid(f"{_shown(value)} is not a regular expression")
        try:
            filters.groups(value, str(variable))
        except Invalid as error:
            raise self.invalid(str(error)) from None
        return full_match(self.source(variable), f"(?s:.*)(?{flags}:{value})(?s:.*)")

    def one_of(self, variable: str, value: Any) -> matcher.Matcher.MatcherList.Predicate:
        listed = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
        texts = [text for text in listed if isinstance(text, str)]
        return any_of([equals(self.source(variable), text) for text in texts]) if texts else _never()

    def within(self, variable: str, value: Any) -> matcher.Matcher.MatcherList.Predicate:
        listed = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else (value,)
        networks = [network(text, self.where) for text in listed]
        return in_networks(self.source(variable), networks) if networks else _never()

    def invalid(self, reason: str) -> Invalid:
        return Invalid(f'Error at "{self.where}": {reason}')


def _folded(variable: str) -> str:
    """The names of headers in lower case, those of arguments and cookies as they are."""
    return variable.lower() if variable.startswith("http_") else variable


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


TESTS: Final[dict[str, Callable[[_Reader, str, Any], matcher.Matcher.MatcherList.Predicate]]] = {
    "==": lambda reader, variable, value: reader.equal(variable, value),
    "~=": lambda reader, variable, value: none_of(reader.equal(variable, value)),
    ">": lambda reader, variable, value: reader.compare(variable, ">", value),
    ">=": lambda reader, variable, value: reader.compare(variable, ">=", value),
    "<": lambda reader, variable, value: reader.compare(variable, "<", value),
    "<=": lambda reader, variable, value: reader.compare(variable, "<=", value),
    "~~": lambda reader, variable, value: reader.match(variable, value, "-s"),
    "~*": lambda reader, variable, value: reader.match(variable, value, "i-s"),
    "in": lambda reader, variable, value: reader.one_of(variable, value),
    "has": lambda _, __, ___: _never(),
    "ipmatch": lambda reader, variable, value: reader.within(variable, value),
}
"""`has` looks into lists, and every variable known when a route is chosen is one text: it never holds, as in APISIX."""
