"""Makes bodies of requests and responses anew, by templates over what they say as JSON, XML, forms or several parts.

Templates follow lua-resty-template; they reach what they are given and Lua's functions on texts, tables and numbers,
no files, no network, and are ended when they run too long. Bodies of more than a megabyte are answered with 413 or 500,
compressed responses stay as they are.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal, Self, cast

from lupa import luajit21
from pydantic import Field, model_validator

from gatefleet.filters import lua, lua_libraries, lua_source
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import parse

SOURCE = lua_source(__name__)
LIBRARIES: Final = ("forms", "xml", "multipart", "template")
MODULES: Final = ("cjson", "cjson.safe", "apisix.core")
MOST: Final = 64 * 1024 * 1024
_VARIABLE: Final = re.compile(r"_ctx\s*\.\s*var\s*(?:\.\s*(\w+)|\[\s*[\"'](\w+)[\"']\s*\])")
_MODULE: Final = re.compile(r"\brequire\s*\(?\s*[\"']([^\"']+)[\"']")
Format = Literal["xml", "json", "encoded", "args", "plain", "multipart"]


class Transformation(Conf):
    """How one kind of bodies is made anew."""

    input_format: Format | None = Field(
        default=None, description="What bodies are; by default as their Content-Type says. GET requests: `args`."
    )
    template: str = Field(
        min_length=1, max_length=1 << 18, description="What they become, in the syntax of lua-resty-template."
    )
    template_is_base64: bool = Field(default=False, description="`template` is given in base64.")

    @model_validator(mode="after")
    def can_be_rendered(self) -> Self:
        text = self.text()
        for module in _MODULE.findall(text):
            if module not in MODULES:
                raise ValueError(
                    f"template: module [{module}] cannot be carried; templates may require {', '.join(MODULES)}"
                )
        if problem := _problem(text):
            raise ValueError(f"template: {problem}")
        return self

    def text(self) -> str:
        """The template itself; with a format that is a body's it may be in base64 without saying so, as in APISIX."""
        if not self.template_is_base64 and self.input_format in {None, "encoded", "args"}:
            return self.template
        try:
            return base64.b64decode("".join(self.template.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            if self.template_is_base64:
                raise ValueError("template is not text in base64") from None
            return self.template


class BodyTransformer(Conf):
    """`request`, `response` or both."""

    request: Transformation | None = Field(default=None, description="Bodies on their way to the upstream.")
    response: Transformation | None = Field(default=None, description="Bodies on their way to the client.")
    max_req_body_size: int = Field(
        default=MOST, ge=1, description="Bytes; longer requests are refused with 413. At most a megabyte is read."
    )
    max_resp_body_size: int = Field(
        default=MOST, ge=1, description="Accepted: responses of more than a megabyte become 500, others are read whole."
    )

    @model_validator(mode="after")
    def some_direction(self) -> Self:
        if self.request is None and self.response is None:
            raise ValueError("request or response is required")
        return self


def translate(conf: BodyTransformer, scope: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {}
    for name, part in (("request", conf.request), ("response", conf.response)):
        if part is None:
            continue
        text = part.text()
        wanted = sorted({found[1] or found[2] for found in _VARIABLE.finditer(text)})
        for variable in wanted:  # those that do not exist are refused by name
            parse("${" + variable + "}", f"{name}.template", scope, response=name == "response")
        context[name] = {"template": text, "way": part.input_format or "", "variables": wanted}
    if conf.request:
        context["request"]["most"] = conf.max_req_body_size
    yield from lua("body-transformer", "\n".join((SOURCE, *_hooks(context))), context, LIBRARIES)


def _hooks(context: Mapping[str, Any]) -> Iterator[str]:
    """Only what has something to do: to be called for nothing costs a script much of what its work does."""
    if "request" in context or context["response"]["variables"]:
        yield lua_source(__name__, "request.lua")
    if "response" in context:
        yield lua_source(__name__, "response.lua")


@cache
def _compiler() -> Any:
    """Our own Lua's judgement of a template, asked in LuaJIT; nothing of the template runs."""
    runtime: Any = cast("Any", luajit21).LuaRuntime(encoding="utf-8", register_eval=False, register_builtins=False)
    source = lua_libraries("template")
    return runtime.execute(source + "\nreturn function(text) return select(2, pcall(template_compiled, text)) end")


def _problem(template: str) -> str:
    found = _compiler()(template)
    problem: Any = found["template"] if luajit21.lua_type(found) == "table" else None
    return str(problem) if problem else ""


PLUGIN = Plugin(
    name="body-transformer",
    priority=1080,
    phase=Phase.REWRITE,
    conf=BodyTransformer,
    translate=translate,
    summary="Makes bodies of requests and responses anew by templates.",
    category="transformation",
    examples={
        "A JSON request with another shape": {"request": {"input_format": "json", "template": '{"user": "{{name}}"}'}}
    },
)
