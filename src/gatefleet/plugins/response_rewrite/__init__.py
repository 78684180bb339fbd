"""Changes what the client gets: status, headers and body, of the upstream's answers and of the gateway's own alike.

Changes of headers alone cost least. `filters` hold the whole body in memory, so a body of more than a megabyte is
answered with 500; compressed bodies they leave as they are. `body` takes bodies of any length. Regular expressions are
the machine's PCRE2 (libpcre2-8), as in APISIX; without it such responses become 500.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from gatefleet import pcre
from gatefleet.expressions import read
from gatefleet.filters import (
    HeaderName,
    HeaderValue,
    add_header,
    captures,
    headers,
    lua,
    lua_source,
    mutation,
    removal,
    set_header,
    text_of,
)
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.protos.envoy.config.common.mutation_rules import v3 as mutation_rules
from gatefleet.templates import Format, Part, format_of, parse, variable

SOURCE = lua_source(__name__)
CONDITIONAL = ("native", "regex", "expressions")
LITERAL = re.compile(r"(?:[^\\^$.|?*+()\[\]{}]|\\[^A-Za-z0-9])+")


class HeaderChanges(Conf):
    """Done in the order add, set, remove."""

    model_config = ConfigDict(**Conf.model_config | {"extra": "forbid"})  # other names are headers: the short form

    add: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$&'*+.^_`|~-]+\s*:[^\x00-\x08\x0a-\x1f\x7f]+$")]] | None = (
        Field(default=None, min_length=1, description="Headers to add, each as `Name: value`.")
    )
    set: dict[HeaderName, HeaderValue] | None = Field(
        default=None, min_length=1, description="Headers to set, by name."
    )
    remove: list[HeaderName] | None = Field(default=None, min_length=1, description="Names of headers to remove.")


class Replacement(Conf):
    """One change of the body."""

    regex: str = Field(min_length=1, max_length=8192, description="What to look for, a regular expression of PCRE.")
    scope: Literal["once", "global"] = Field(default="once", description="Replace the first occurrence, or all.")
    replace: str = Field(max_length=65536, description="What to put there; `$1` is a group, `$0` the match.")
    options: str = Field(
        default="jo", max_length=16, description="Options of `ngx.re`: a, i, J, m, s, u, U, x; j and o have no effect."
    )


class ResponseRewrite(Conf):
    """What is not mentioned stays as it is."""

    status_code: int | None = Field(default=None, ge=200, le=598, description="The new status.")
    body: str | None = Field(default=None, description="The new body.")
    body_base64: bool = Field(default=False, description="`body` is given in base64.")
    headers: HeaderChanges | Annotated[dict[HeaderName, HeaderValue], Field(min_length=1)] | None = Field(
        default=None,
        description="Headers to add, set and remove; or just headers to set, by name. Values may hold `$variables`; "
        "an empty value removes the header.",
    )
    vars: list[Any] | None = Field(
        default=None, description="Conditions on request and response: nothing is changed unless they hold."
    )
    filters: list[Replacement] | None = Field(
        default=None, min_length=1, description="Changes of the body; not together with `body`."
    )

    @model_validator(mode="after")
    def one_body(self) -> Self:
        if self.body is not None and self.filters:
            raise ValueError("only one of body and filters can be configured")
        if self.body_base64:
            if not self.body:
                raise ValueError("invalid base64 content")
            try:
                base64.b64decode(self.body, validate=True)
            except binascii.Error as error:
                raise ValueError("invalid base64 content") from error
        return self


def translate(conf: ResponseRewrite, scope: Scope) -> Iterator[Effect]:
    if conf.vars:
        yield from _conditionally(conf, scope)
        return
    mutations, formats = _changes(conf, scope)
    yield from captures("response-rewrite", formats)
    if mutations:
        yield headers(response=mutations)
    if conf.status_code is not None or conf.body is not None or conf.filters:
        yield from lua("response-rewrite", SOURCE, _context(conf), _libraries(conf))


def _conditionally(conf: ResponseRewrite, scope: Scope) -> Iterator[Effect]:
    """All by our Lua, where the conditions hold.

    Values that are made of variables are put into headers of ours by a filter that meets responses before it.
    """
    found = read("response-rewrite", conf.vars, "vars", scope, response=True)
    formats: dict[str, Format] = {}
    variables: dict[str, str] = {}
    for name in sorted(_variables(found.tree)):
        variables[name] = f"x-gf-rewrite-{len(formats)}"
        formats[variables[name]] = format_of(variable(name, "vars", scope, response=True), rewritten=True)
    changes: list[dict[str, str]] = []
    for how, name, value in _listed(conf):
        change = {"how": how, "name": name.lower(), "from": f"x-gf-rewrite-{len(formats)}"}
        if how != "remove":
            formats[change["from"]] = format_of(_parse(name, value, scope), rewritten=True)
        changes.append(change)
    told = {"when": found.tree, "held": list(formats), "variables": variables, "changes": changes}
    yield from captures("response-rewrite", formats.values())
    yield from lua("response-rewrite", SOURCE, _context(conf) | told, CONDITIONAL)
    puts = [(removal(name), mutation(set_header(name, form.text))) for name, form in formats.items() if form.text]
    if puts:
        yield headers(response=[one for pair in puts for one in pair])


def _variables(tree: dict[str, Any]) -> set[str]:
    """The variables that conditions ask for."""
    inner = (_variables(part) for part in tree.get("of", ()))
    return {part[1:] for part in tree.get("var", ()) if part.startswith("$")}.union(*inner)


def _libraries(conf: ResponseRewrite) -> tuple[str, ...]:
    return ("native", "regex") if any(not _is_plain(one) for one in conf.filters or ()) else ()


def _is_plain(one: Replacement) -> bool:
    """Whether a replacement is of one text by another, which needs no regular expression."""
    return bool(LITERAL.fullmatch(one.regex)) and "$" not in one.replace and set(one.options) <= {"j", "o"}


def _replacement(number: int, one: Replacement) -> dict[str, Any]:
    everywhere = one.scope == "global"
    if _is_plain(one):
        return {"find": re.sub(r"\\(.)", r"\1", one.regex), "all": everywhere, "put": one.replace}
    put = pcre.replacement(one.replace, f"filters.{number}.replace")
    return {**pcre.rule(one.regex, one.options, f"filters.{number}.regex"), "all": everywhere, "put": put}


def _context(conf: ResponseRewrite) -> dict[str, Any]:
    context: dict[str, Any] = {"status": str(conf.status_code or "")}
    if conf.body is not None:
        content = base64.b64decode(conf.body) if conf.body_base64 else conf.body.encode()
        context["body_hex"] = content.hex()
    if conf.filters:
        context["filters"] = [_replacement(number, one) for number, one in enumerate(conf.filters)]
    return context


def _listed(conf: ResponseRewrite) -> Iterator[tuple[str, str, str]]:
    """(add, set or remove; a header; its value) in their order."""
    changes = conf.headers if isinstance(conf.headers, HeaderChanges) else HeaderChanges(set=conf.headers)
    for line in changes.add or ():
        name, value = (text.strip() for text in line.split(":", 1))
        yield "add", name, value
    yield from (("set", name, text_of(value)) for name, value in (changes.set or {}).items())
    yield from (("remove", name, "") for name in changes.remove or ())


def _changes(conf: ResponseRewrite, scope: Scope) -> tuple[list[mutation_rules.HeaderMutation], list[Format]]:
    mutations: list[mutation_rules.HeaderMutation] = []
    formats: list[Format] = []
    for how, name, value in _listed(conf):
        if how == "remove":
            mutations.append(removal(name))
            continue
        parts = _parse(name, value, scope)
        formats.append(format_of(parts, rewritten=True))
        if how == "add":
            mutations.append(mutation(add_header(name, formats[-1].text)))
        else:
            mutations += _setting(name, parts, formats[-1])
    return mutations, formats


def _parse(name: str, value: str, scope: Scope) -> tuple[Part, ...]:
    return parse(value, f"headers.{name}", scope, response=True)


def _setting(name: str, parts: tuple[Part, ...], form: Format) -> Iterator[mutation_rules.HeaderMutation]:
    """A value that comes out empty removes the header, as in APISIX; unless the value is made of that very header."""
    certain = any(isinstance(part, str) and part for part in parts)
    if not certain and f"%RESP({name.upper()})%" not in form.text:
        yield removal(name)
    if form.text:
        yield mutation(set_header(name, form.text))


PLUGIN = Plugin(
    name="response-rewrite",
    priority=899,
    phase=Phase.RESPONSE,
    conf=ResponseRewrite,
    translate=translate,
    summary="Changes status, headers and body of responses.",
    category="transformation",
    examples={
        "A header for clients": {
            "headers": {"set": {"Strict-Transport-Security": "max-age=31536000"}, "remove": ["Server"]}
        },
        "Another body for failures": {"vars": [["status", ">=", 500]], "body": '{"error": "try again later"}'},
    },
)
