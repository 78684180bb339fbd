"""Changes what the client gets: status, headers and body, of the upstream's answers and of the gateway's own alike.

Changes of headers alone cost least. `filters` hold the whole body in memory, so a body of more than a megabyte is
answered with 500; compressed bodies they leave as they are. `body` takes bodies of any length.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

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
from gatefleet.templates import Format, Part, format_of, parse

SOURCE = lua_source(__name__)
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

    regex: str = Field(
        min_length=1, description="What to look for. Only plain text is supported: no special characters."
    )
    scope: Literal["once", "global"] = Field(default="once", description="Replace the first occurrence, or all.")
    replace: str = Field(description="What to put there.")
    options: str = Field(
        default="jo", pattern=r"^[jo]*$", description="Accepted for APISIX's sake; of its options only `j` and `o`."
    )

    @model_validator(mode="after")
    def plain_text(self) -> Self:
        if not LITERAL.fullmatch(self.regex):
            raise ValueError(
                "regular expressions on response bodies are not supported yet: regex has to be plain text, "
                "special characters escaped by a backslash"
            )
        if "$" in self.replace:
            raise ValueError("replace cannot refer to groups: regex has to be plain text")
        return self


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
    vars: list[Any] | None = Field(default=None, description="Conditions on the response. Not supported yet: refused.")
    filters: list[Replacement] | None = Field(
        default=None, min_length=1, description="Changes of the body; not together with `body`."
    )

    @field_validator("vars")
    @classmethod
    def no_conditions(cls, value: list[Any] | None) -> list[Any] | None:
        if value:
            raise ValueError("conditions on responses are not supported yet")
        return value

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
    mutations, formats = _changes(conf, scope)
    yield from captures("response-rewrite", formats)
    if mutations:
        yield headers(response=mutations)
    if conf.status_code is not None or conf.body is not None or conf.filters:
        yield from lua("response-rewrite", SOURCE, _context(conf))


def _context(conf: ResponseRewrite) -> dict[str, Any]:
    context: dict[str, Any] = {"status": str(conf.status_code or "")}
    if conf.body is not None:
        content = base64.b64decode(conf.body) if conf.body_base64 else conf.body.encode()
        context["body_hex"] = content.hex()
    if conf.filters:
        context["filters"] = [
            {"find": re.sub(r"\\(.)", r"\1", one.regex), "all": one.scope == "global", "put": one.replace}
            for one in conf.filters
        ]
    return context


def _changes(conf: ResponseRewrite, scope: Scope) -> tuple[list[mutation_rules.HeaderMutation], list[Format]]:
    changes = conf.headers if isinstance(conf.headers, HeaderChanges) else HeaderChanges(set=conf.headers)
    mutations: list[mutation_rules.HeaderMutation] = []
    formats: list[Format] = []
    for line in changes.add or ():
        name, value = (text.strip() for text in line.split(":", 1))
        formats.append(format_of(_parse(name, value, scope), rewritten=True))
        mutations.append(mutation(add_header(name, formats[-1].text)))
    for name, value in (changes.set or {}).items():
        parts = _parse(name, text_of(value), scope)
        formats.append(format_of(parts, rewritten=True))
        mutations += _setting(name, parts, formats[-1])
    mutations += map(removal, changes.remove or ())
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
)
