"""Lets only requests through whose headers and body follow JSON schemas.

Bodies are JSON, or forms where the Content-Type says so. A body that was checked as JSON reaches the upstream written
anew, with the schema's defaults, so that what was checked is what arrives. Bodies of more than a megabyte: 413.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, Self, cast

from pydantic import Field, field_validator, model_validator

from gatefleet.filters import lua, lua_source, refused_body
from gatefleet.native.config import answer
from gatefleet.plugin import Conf, Effect, Phase, Plugin, Scope

SOURCE = lua_source(__name__)
DEPTH_MAX: Final = 50
TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
NOT_CARRIED: Final = {
    "pattern": "regular expressions in schemas",
    "patternProperties": "regular expressions in schemas",
    "$ref": "references",
    "$recursiveRef": "references",
    "$dynamicRef": "references",
    "unevaluatedProperties": "unevaluated properties",
    "unevaluatedItems": "unevaluated items",
    "dependentSchemas": "dependent schemas",
    "prefixItems": "prefix items (use a list of items)",
}
SCHEMAS: Final = ("additionalProperties", "additionalItems", "propertyNames", "contains", "not", "if", "then", "else")
LISTS: Final = ("allOf", "anyOf", "oneOf")
COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
NUMBERS: Final = ("minimum", "maximum", "multipleOf")
ABOUT_NAMES: Final = frozenset(
    ("type", "required", "properties", "title", "description", "default", "examples", "$schema", "$id", "$comment")
)
"""Words of a schema of an object that look at no property but those it names."""


class RequestValidation(Conf):
    """`body_schema`, `header_schema` or both."""

    body_schema: dict[str, Any] | None = Field(
        default=None, description="JSON schema of the body: draft 4 to 7, without `$ref` and regular expressions."
    )
    header_schema: dict[str, Any] | None = Field(
        default=None, description="JSON schema of the request headers, an object of texts with names in small letters."
    )
    rejected_code: int = Field(default=400, ge=200, le=599, description="The status of the refusal.")
    rejected_msg: str | None = Field(
        default=None, min_length=1, max_length=256, description="What the refusal says instead of what is wrong."
    )

    @field_validator("body_schema", "header_schema")
    @classmethod
    def can_be_asked(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        for problem in _problems(value, "", 0):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def some_schema(self) -> Self:
        if self.body_schema is None and self.header_schema is None:
            raise ValueError("body_schema or header_schema is required")
        return self


def _problems(schema: Any, at: str, depth: int) -> Iterator[str]:
    """What is wrong with a schema, or cannot be asked."""
    if schema is None or isinstance(schema, bool):
        return
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        yield f"schema at [{at or '/'}] has to be an object, at most {DEPTH_MAX} deep"
        return
    known = cast("dict[str, Any]", schema)
    for word, what in NOT_CARRIED.items():
        if word in known:
            yield f"schema at [{at or '/'}] uses {word}: {what} cannot be carried yet"
    yield from _wrong_words(known, at)
    yield from _wrong_containers(known, at)
    for place, inner in _inner(known):
        yield from _problems(inner, f"{at}/{place}", depth + 1)


def _wrong_words(schema: dict[str, Any], at: str) -> Iterator[str]:
    kinds = schema.get("type")
    listed: list[Any] = cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds]
    if "type" in schema and not all(kind in TYPES for kind in listed):
        yield f"schema at [{at}/type] knows the types {', '.join(TYPES)}"
    for word in COUNTS:
        if word in schema and (not isinstance(schema[word], int) or schema[word] < 0):
            yield f"schema at [{at}/{word}] has to be a whole number"
    for word in NUMBERS:
        if word in schema and (isinstance(schema[word], bool) or not isinstance(schema[word], int | float)):
            yield f"schema at [{at}/{word}] has to be a number"
    if "multipleOf" in schema and isinstance(schema["multipleOf"], int | float) and schema["multipleOf"] <= 0:
        yield f"schema at [{at}/multipleOf] has to be more than 0"


def _wrong_containers(schema: dict[str, Any], at: str) -> Iterator[str]:
    for word in ("required", "enum", *LISTS):
        if word in schema and not isinstance(schema[word], list):
            yield f"schema at [{at}/{word}] has to be a list"
    for word in ("properties", "dependencies"):
        if word in schema and not isinstance(schema[word], dict):
            yield f"schema at [{at}/{word}] has to be an object"


def _inner(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for word in SCHEMAS:
        if word in schema:
            yield word, schema[word]
    for word in LISTS:
        if isinstance(schema.get(word), list):
            yield from ((f"{word}/{n}", one) for n, one in enumerate(schema[word]))
    items: Any = schema.get("items")
    if isinstance(items, list):
        yield from ((f"items/{n}", one) for n, one in enumerate(cast("list[Any]", items)))
    elif items is not None:
        yield "items", items
    for word in ("properties", "dependencies"):
        if isinstance(schema.get(word), dict):
            parts = cast("dict[str, Any]", schema[word])
            yield from ((f"{word}/{name}", one) for name, one in parts.items() if not isinstance(one, list))


def _header_names(schema: dict[str, Any]) -> list[str] | None:
    """The headers that a schema looks at; None: at any. Envoy's names are in small letters, ours are nobody's."""
    if not schema.keys() <= ABOUT_NAMES:
        return None
    names = {str(name) for name in (*schema.get("required", ()), *schema.get("properties", ()))}
    return sorted(name for name in names if name and name == name.lower() and not name.startswith((":", "x-gf-")))


def translate(conf: RequestValidation, _: Scope) -> Iterator[Effect]:
    context: dict[str, Any] = {"status": str(conf.rejected_code)}
    for name, schema in (("body_schema", conf.body_schema), ("header_schema", conf.header_schema)):
        if schema is not None:
            context[name] = json.dumps(schema)
    names = _header_names(conf.header_schema) if conf.header_schema is not None else None
    if names is not None:
        context["header_names"] = names
    own = refused_body(conf, conf.rejected_msg)
    if own is not None:
        context["body"] = answer(own).decode()
    yield from lua("request-validation", SOURCE, context, ["schema"])


PLUGIN = Plugin(
    name="request-validation",
    priority=2800,
    phase=Phase.REWRITE,
    conf=RequestValidation,
    translate=translate,
    summary="Checks headers and bodies of requests against JSON schemas.",
    category="security",
    examples={
        "A body with a name": {
            "body_schema": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 1}},
            },
            "rejected_code": 400,
        }
    },
    protects=True,
)
