"""The schemas of /api/schema/core and the scalar defaults that are stored: two readings of the same models.

Clients merge what they hold with the *scalar* defaults they find in /api/schema/core, inside objects and array items
that are there, and compare that with what they read back. So exactly these defaults are stored, and nothing else.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any, Final, cast

from pydantic import BaseModel

from gatefleet.resources.kinds import KINDS
from gatefleet.resources.service import StreamService
from gatefleet.resources.shape import Shape

Schema = dict[str, Any]
MODELS: Final[Mapping[str, type[Shape]]] = {
    **{kind.singular: kind.model for kind in KINDS.values()},
    "stream_service": StreamService,
}
SCALARS: Final = (str, int, float, bool)


def core_schemas() -> dict[str, Schema]:
    """JSON Schema of every core resource, by singular name, references resolved."""
    return {name: json_schema(model) for name, model in MODELS.items()}


@cache
def json_schema(model: type[BaseModel]) -> Schema:
    """The model's JSON Schema, references resolved, without defaults that clients must not know."""
    return cast("Schema", _without_marks(schema_of(model)))


def with_defaults(model: type[Shape], body: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with the model's scalar defaults, also inside the objects and array items it has; it gets no new ones.

    A null is left out, as if the field had not been sent.
    """
    return _filled(schema_of(model), body)


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """The model's JSON Schema with references resolved and null left out; marks of shape.py are still in it."""
    raw = model.model_json_schema()
    definitions = raw.pop("$defs", {})
    return cast("Schema", plain(raw, definitions))


def _filled(schema: Schema, body: Mapping[str, Any]) -> dict[str, Any]:
    known = _properties(schema)
    out = {key: value for key, value in body.items() if value is not None or key not in known}
    for key, part in known.items():
        if key not in out:
            default = part.get("default")
            if isinstance(default, SCALARS) and part.get("x-default") != "hidden":
                out[key] = default
        else:
            out[key] = _filled_value(part, out[key])
    return out


def _filled_value(schema: Schema, value: Any) -> Any:
    if isinstance(value, Mapping) and "properties" in schema:
        return _filled(schema, cast("Mapping[str, Any]", value))
    if isinstance(value, Mapping) and "anyOf" in schema:
        return _without_nulls(cast("Any", value))
    items: Schema = schema.get("items", {})
    if isinstance(value, list) and "properties" in items:
        return [_filled_value(items, item) for item in cast("list[Any]", value)]
    return cast("Any", value)


def _without_nulls(value: Any) -> Any:
    """An opaque object as its shape reads it: null is absent, at any depth."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return {key: _without_nulls(part) for key, part in entries.items() if part is not None}
    return [_without_nulls(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _properties(schema: Schema) -> dict[str, Schema]:
    return cast("dict[str, Schema]", schema.get("properties", {}))


def plain(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Resolve `$ref`, collapse "or null", drop titles, and hide the inside of opaque objects."""
    if isinstance(node, list):
        return [plain(item, definitions) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    schema = dict(cast("Schema", node))
    if "$ref" in schema:
        schema |= deepcopy(definitions[schema.pop("$ref").rpartition("/")[2]])
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del schema["anyOf"]
        return plain({**choices[0], **schema}, definitions)
    kept: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: plain(part, definitions) for name, part in value.items()}
        elif not (key == "title" or (key == "default" and value is None)):
            kept[key] = plain(value, definitions)
    return {"type": "object", "anyOf": [kept]} if kept.pop("x-opaque", False) else kept


def _without_marks(node: Any) -> Any:
    """The schema without undeclared defaults."""
    if isinstance(node, list):
        return [_without_marks(item) for item in cast("list[Any]", node)]
    if isinstance(node, dict):
        entries = cast("Schema", node)
        left_out = ("x-default", "default") if "x-default" in entries else ()
        return {key: _without_marks(value) for key, value in entries.items() if key not in left_out}
    return node
