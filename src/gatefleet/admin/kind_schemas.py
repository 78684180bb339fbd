"""Schemas of the kinds for the API's description: what is sent, and what comes back."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from gatefleet.admin.openapi import OBJECT, TEXT, TIME, Schema
from gatefleet.admin.present import UNREADABLE
from gatefleet.resources import KINDS, Kind
from gatefleet.resources.schema import json_schema
from gatefleet.resources.shape import Shape


@cache
def components() -> Mapping[str, Schema]:
    """Every shape as it is sent, under its name, and as it comes back, under its name with `_shown`."""
    found: dict[str, Schema] = {}
    for kind in KINDS.values():
        for name, shape in _named(kind):
            found[name] = json_schema(shape)
            found[f"{name}_shown"] = _shown(kind, shape)
    return found


def sent(kind: Kind) -> Schema:
    """What a body of this kind must be."""
    return _any_of([name for name, _ in _named(kind)])


def shown(kind: Kind) -> Schema:
    """What an answer about one document of this kind holds."""
    return OBJECT if kind.path == "plugin_metadata" else _any_of([f"{name}_shown" for name, _ in _named(kind)])


def _named(kind: Kind) -> Iterator[tuple[str, type[Shape]]]:
    yield kind.singular, kind.model
    for shape in dict.fromkeys(kind.variants.values()):
        yield "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in shape.__name__)[1:], shape


def _shown(kind: Kind, shape: type[Shape]) -> Schema:
    hidden = UNREADABLE.get(kind.path, frozenset[str]())
    schema: dict[str, Any] = dict(_readable(json_schema(shape)))
    properties = {name: part for name, part in schema.get("properties", {}).items() if name not in hidden}
    own = {} if kind.key == "username" else {"id": TEXT}
    stamps = {"created_at": TIME, "updated_at": TIME}
    required = [name for name in schema.get("required", ()) if name not in hidden]
    return {
        **schema,
        "properties": {**own, **properties, **stamps},
        "required": sorted({*required, *own, *stamps}),
    }


def _readable(node: Any) -> Any:
    """The schema of what comes back: what is secret but not hidden can be read."""
    if isinstance(node, dict):
        entries = cast("dict[str, Any]", node)
        return {key: _readable(part) for key, part in entries.items() if not (key == "writeOnly" and part is True)}
    return [_readable(item) for item in cast("list[Any]", node)] if isinstance(node, list) else node


def _any_of(names: list[str]) -> Schema:
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return refs[0] if len(refs) == 1 else {"anyOf": refs}
