"""Conditions of plugins (APISIX's `vars`, after lua-resty-expr), prepared for our Lua.

Lua has no regular expressions: Envoy's RE2 looks for them in request headers beforehand. What is no header is put into
one for that, which the condition's own script takes away again. Answers are looked at by the machine's PCRE2. What
cannot be asked is refused by name. Conditions on bodies hold up the request until its body is there.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final, cast

from gatefleet import pcre
from gatefleet.errors import Invalid
from gatefleet.filters import MATCHED, groups, lua, remember_matches
from gatefleet.plugin import Effect, Scope
from gatefleet.templates import lua_parts, variable

LIBRARIES: Final = ("native", "forms", "multipart", "bodies", "expressions")
LOGIC: Final = ("AND", "OR", "!AND", "!OR")
OPERATORS: Final = ("==", "~=", "!=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch")
BODY: Final = re.compile(r"post_arg_.+|post_arg(\.[\w-]+(\[\d+\])*)+|graphql_(name|operation|root_fields)", re.ASCII)
HEADERS: Final = {"uri": "x-gf-path", "request_uri": ":path", "request_method": ":method", "http_host": ":authority"}
STAGE: Final = """
function on.request(handle, conf)
  for name, parts in pairs(conf.staged) do
    local value = variable(handle, parts)
    if value ~= nil and type(value) ~= "table" then
      handle:headers():replace(name, printable(tostring(value)))
    end
  end
end
"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """`tree` is what the script's `holds(handle, tree)` takes; `before` stands in front of the script's filter."""

    tree: dict[str, Any]
    before: tuple[Effect, ...] = ()


def read(plugin: str, expression: Any, at: str, scope: Scope, *, response: bool = False) -> Conditions:
    """The conditions of an expression, which all have to hold; raises Invalid, naming `at`, for what cannot be asked.

    `response`: they are asked when there is a response; then there are its variables, too, and the script needs the
    library `regex` before `expressions`.
    """
    reader = _Reader(plugin, at, scope, response)
    tree = reader.whole(expression)
    return Conditions(tree, tuple(reader.before(tree)))


@dataclass(slots=True)
class _Reader:
    plugin: str
    at: str
    scope: Scope
    response: bool
    regexes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(variable, regex with its flags), by the number the condition refers to it with."""

    def whole(self, expression: Any) -> dict[str, Any]:
        if not isinstance(expression, list):
            raise self._wrong(expression)
        items = cast("list[Any]", expression)
        if items and isinstance(items[0], str):
            return self._logic(items) if items[0].upper() in LOGIC else self._condition(items)
        return {"of": [self.whole(item) for item in items]}

    def before(self, tree: dict[str, Any]) -> list[Effect]:
        if not self.regexes:
            return []
        digest = hashlib.sha256(repr(self.regexes).encode()).hexdigest()[:8]
        tree["found_at"] = f"gf.{self.plugin}.{digest}"
        staged = {f"x-gf-e-{digest}-{n}": name for n, (name, _) in enumerate(self.regexes) if not _header_of(name)}
        tree["staged"] = sorted(staged)
        effects: list[Effect] = list(lua(self.plugin, STAGE, {"staged": staged}, LIBRARIES)) if staged else []
        for number, (name, regex) in enumerate(self.regexes):
            header = _header_of(name) or f"x-gf-e-{digest}-{number}"
            effects.append(remember_matches(tree["found_at"], header, {f"r{number}": (regex, MATCHED)}))
        return effects

    def _logic(self, items: list[Any]) -> dict[str, Any]:
        operator = str(items[0]).upper()
        if len(items) < 2:
            raise Invalid(f"[{self.at}] {operator} needs conditions behind it")
        node: dict[str, Any] = {"of": [self.whole(item) for item in items[1:]]}
        return node | ({"any": True} if operator.endswith("OR") else {}) | ({"no": True} if operator[0] == "!" else {})

    def _condition(self, items: list[Any]) -> dict[str, Any]:
        negated = len(items) == 4 and items[1] == "!"
        parts = [items[0], *items[2:]] if negated else items
        if len(parts) != 3 or parts[1] not in OPERATORS:
            raise self._wrong(items)
        name, operator, value = parts
        node = {"op": "~=" if operator == "!=" else operator, **self._variable(str(name))}
        if operator in ("~~", "~*"):
            node |= self._regex(str(name), operator, value)
        elif operator in ("in", "ipmatch"):
            node["list"] = self._list(operator, value)
        else:
            node["value"] = self._scalar(value)
        return node | ({"no": True} if negated else {})

    def _variable(self, name: str) -> dict[str, Any]:
        if BODY.fullmatch(name) and not self.response:
            return {"var": ["$" + name]}
        return {"var": lua_parts(variable(name, self.at, self.scope, response=self.response))}

    def _regex(self, name: str, operator: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, str):
            raise Invalid(f"[{self.at}] [{operator}] needs a regular expression")
        if self.response:
            return {"pcre": pcre.rule(value, "i" if operator == "~*" else "", self.at)}
        groups(value, self.at)
        found = (name, f"(?s)^.*(?{'i' if operator == '~*' else ''}:{value}).*$")
        if found not in self.regexes:
            self.regexes.append(found)
        return {"regex": f"r{self.regexes.index(found)}"}

    def _list(self, operator: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise Invalid(f"[{self.at}] [{operator}] needs a list of values")
        items = cast("list[Any]", value)
        if operator == "in":
            return [self._scalar(item) for item in items]
        try:
            return [str(ip_network(str(item), strict=False)) for item in items]
        except ValueError as error:
            raise Invalid(f"[{self.at}] [ipmatch] needs IP addresses and networks: {error}") from None

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, str | int | float):
            return value
        raise Invalid(f"[{self.at}] {value!r} is neither text nor a number")

    def _wrong(self, item: object) -> Invalid:
        return Invalid(
            f"[{self.at}] {item!r} is not a condition that can be carried; write [variable, operator, value] "
            f"with one of {', '.join(OPERATORS)}"
        )


def _header_of(variable: str) -> str | None:
    """The request header that holds a variable as it is."""
    if variable.startswith("http_") and variable != "http_host":
        return variable.removeprefix("http_").replace("_", "-").lower()
    return HEADERS.get(variable)


def any_of(parts: Sequence[Conditions]) -> Conditions:
    """Conditions that hold where one of `parts` does; where there is none, always."""
    if not parts:
        return Conditions({"of": []})
    effects = [effect for part in parts for effect in part.before]
    return Conditions({"of": [part.tree for part in parts], "any": True}, tuple(effects))
