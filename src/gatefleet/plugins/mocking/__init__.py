"""Answers in the upstream's place: with an example, or with what a schema says answers look like.

From a schema come words, numbers and booleans at random, but for fields that give an `example`. Unlike APISIX the
header that tells a mocked answer is `x-mock-by: Gatefleet`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Self, cast

from pydantic import Field, field_validator, model_validator

from gatefleet.errors import Invalid
from gatefleet.filters import HeaderName, HeaderValue, lua, lua_source, pause, text_of
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope
from gatefleet.templates import lua_parts, parse

SOURCE = lua_source(__name__)
CONTENT_TYPES = ("application/xml", "application/json", "text/plain", "text/html", "text/xml")
TYPES = ("string", "number", "integer", "boolean", "array", "object")
DEPTH_MAX = 20


class Mocking(Conf):
    """`response_example` or `response_schema`; the example wins."""

    delay: int = Field(default=0, ge=0, le=86400, description="Seconds to wait before the answer.")
    response_status: int = Field(default=200, ge=200, le=599, description="The status of the answer.")
    content_type: Annotated[str, Field(pattern=r"^[ -~]*$", max_length=1024)] = Field(
        default="application/json;charset=utf8", description="The Content-Type of the answer: XML, JSON or text."
    )
    response_example: str | None = Field(default=None, description="The body; may hold `$variables`.")
    response_schema: dict[str, Any] | None = Field(
        default=None, description="A JSON schema to make up the body from; not for `text/html`."
    )
    with_mock_header: bool = Field(default=True, description="Tell that the answer is mocked, in `x-mock-by`.")
    response_headers: dict[HeaderName, HeaderValue] | None = Field(
        default=None, min_length=1, description="Headers of the answer; values may hold `$variables`."
    )

    @field_validator("content_type")
    @classmethod
    def supported(cls, value: str) -> str:
        if value.split(";", maxsplit=1)[0] not in CONTENT_TYPES:
            raise ValueError(f"unsupported content type: use one of {', '.join(CONTENT_TYPES)}")
        return value

    @model_validator(mode="after")
    def some_answer(self) -> Self:
        if self.response_example is None and self.response_schema is None:
            raise ValueError("response_example or response_schema is required")
        return self


def translate(conf: Mocking, scope: Scope) -> Iterator[Effect]:
    if conf.delay:
        yield pause(conf.delay)
    headers = {name.lower(): text_of(value) for name, value in (conf.response_headers or {}).items()}
    context: dict[str, Any] = {
        "status": str(conf.response_status),
        "type": conf.content_type,
        "mocked": conf.with_mock_header,
        "headers": {
            name: lua_parts(parse(value, f"response_headers.{name}", scope)) for name, value in headers.items()
        },
    }
    if conf.response_example is not None:
        context["example"] = lua_parts(parse(conf.response_example, "response_example", scope))
    elif conf.response_schema is not None:
        context["format"] = _format(conf.content_type.split(";")[0])
        context["schema"] = _object(conf.response_schema, "response_schema", 0)
    yield from lua("mocking", SOURCE, context)


def _format(content_type: str) -> str:
    if content_type == "text/html":
        raise Invalid("[response_schema] makes JSON and XML only: give a [response_example] for text/html")
    return "xml" if content_type.endswith("/xml") else "json"


def _value(schema: Any, at: str, depth: int) -> dict[str, Any]:
    kind = str(cast("dict[str, Any]", schema).get("type")).lower() if isinstance(schema, dict) else ""
    if kind not in TYPES or depth > DEPTH_MAX:
        raise Invalid(f"[{at}] has to say its type, one of {', '.join(TYPES)}, at most {DEPTH_MAX} deep")
    known = cast("dict[str, Any]", schema)
    if kind == "object":
        return _object(known, at, depth)
    if kind == "array":
        items = known.get("items")
        return {"type": kind} if items is None else {"type": kind, "items": _value(items, f"{at}.items", depth + 1)}
    example = known.get("example")
    wanted = {"string": str, "boolean": bool}.get(kind, (int, float))
    fits = isinstance(example, wanted) and (kind == "boolean" or not isinstance(example, bool))
    return {"type": kind, "example": example} if fits else {"type": kind}


def _object(schema: dict[str, Any], at: str, depth: int) -> dict[str, Any]:
    properties: Any = schema.get("properties") or {}
    if not isinstance(properties, dict):
        raise Invalid(f"[{at}.properties] has to be an object")
    return {
        "type": "object",
        "properties": {
            name: _value(part, f"{at}.properties.{name}", depth + 1)
            for name, part in cast("dict[str, Any]", properties).items()
        },
    }


PLUGIN = Plugin(
    name="mocking",
    priority=10900,
    phase=Phase.ACCESS,
    conf=Mocking,
    translate=translate,
    summary="Answers in the upstream's place.",
    category="traffic",
    examples={
        "An answer in JSON": {
            "content_type": "application/json",
            "response_status": 200,
            "response_example": '{"items": []}',
        }
    },
)
